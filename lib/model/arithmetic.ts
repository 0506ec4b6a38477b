// How a process computes with float32 values, by environment variables that the CUDA libraries, TensorFlow and the fused
// operations read when they load. On a CPU, the same order of sums gives the same bits. This module does not load
// TensorFlow.

/** Precision of matrix products; `lib/runs/hyperparameters.ts` makes it part of a recipe. */
export const PRECISIONS = ["float32", "tf32", "bfloat16"] as const;

/**
 * - `float32`: products of float32 values (24 bits).
 * - `tf32`: the factors are rounded to 11 bits (NVIDIA's TF32, from Ampere on), the sums are float32: several times as
 *   fast, and products agree to about 1e-3.
 * - `bfloat16`: the factors of linear layers and of the output head are rounded to 8 bits, the sums are float32; weights,
 *   moments, norms, attention, softmax and loss stay float32. On a CPU with AVX512-BF16 or AMX.
 */
export type Precision = (typeof PRECISIONS)[number];

/** How a process computes. */
export interface Arithmetic {
  precision: Precision;
  /** whether a GPU uses only operations that give the same bits every time */
  deterministic: boolean;
}

/** What a device makes of an arithmetic: TF32 and the choice of operations are a GPU's, bfloat16 is a CPU's. */
export function onDevice({ precision, deterministic }: Arithmetic, device: "CPU" | "GPU"): Arithmetic {
  const unknown = device === "GPU" ? "bfloat16" : "tf32";
  return {
    precision: precision === unknown ? "float32" : precision,
    deterministic: deterministic && device === "GPU",
  };
}

/** The environment variables of a process that computes so; undefined: not set. */
export function arithmeticVariables({ precision, deterministic }: Arithmetic): Record<string, string | undefined> {
  return {
    PROMPTLOSS_PRECISION: precision,
    NVIDIA_TF32_OVERRIDE: precision === "tf32" ? undefined : "0",
    TF_DETERMINISTIC_OPS: deterministic ? "1" : undefined,
  };
}

/** What the environment of this process asks for; default: float32, with operations that may differ in rounding. */
export function wantedArithmetic(): Arithmetic {
  const { PROMPTLOSS_PRECISION: wanted, TF_DETERMINISTIC_OPS: deterministic = "" } = process.env;
  return {
    precision: PRECISIONS.find((precision) => precision === wanted) ?? "float32",
    deterministic: ["1", "true"].includes(deterministic),
  };
}

/** Sets the variables in this process, for TensorFlow to find when it loads. */
export function setArithmetic(arithmetic: Arithmetic): void {
  for (const [name, value] of Object.entries(arithmeticVariables(arithmetic))) {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  }
}

/**
 * What is wrong if a process that computes as `loaded` is asked for work that needs `needed`, and what to do.
 * @returns undefined if both are equal
 */
export function arithmeticProblem(needed: Arithmetic, loaded: Arithmetic): string | undefined {
  if (needed.precision === loaded.precision && needed.deterministic === loaded.deterministic) return undefined;
  const words = ({ precision, deterministic }: Arithmetic) =>
    `precision "${precision}"${deterministic ? "" : ", not"} deterministic`;
  const variables = Object.entries(arithmeticVariables(needed))
    .filter(([name]) => name !== "NVIDIA_TF32_OVERRIDE")
    .map(([name, value]) => `${name}=${value ?? "0"}`);
  return (
    `its recipe has ${words(needed)}, but TensorFlow was loaded in this process with ${words(loaded)}, which cannot ` +
    `change any more. Use sweep(), which starts a process for it, or restart this one with ${variables.join(" ")}.`
  );
}
