import * as v from "valibot";
import { TrainingError } from "../data/errors";
import { fitsFloat32, objectOf, oneOf, rule, validated, wholeNumber } from "../data/validate";
import { adapterSchema, type AdapterSettings } from "../model/adapter";
import { truth } from "../model/config-values";
import { bfloat16Problem } from "../model/expected-operations";
import { PRECISIONS, type Arithmetic, type Precision } from "../model/arithmetic";

/** The learning-rate schedules, each after a linear warm-up; `lib/train/schedule.ts` computes them. */
export const SCHEDULES = ["cosine", "constant"] as const;

/** Course of the learning rate after the warm-up: half a cosine down to 0, or constant. */
export type Schedule = (typeof SCHEDULES)[number];

/** Optimizer and batch settings, number of epochs or steps, and maximum length of a row. */
export interface Hyperparameters {
  /** peak learning rate of AdamW */
  learningRate: number;
  schedule: Schedule;
  /** share of the steps, rounded up, over which the learning rate rises from 0 */
  warmupRatio: number;
  /** rows of an optimizer step */
  batchSize: number;
  /** rows that go through the model together; their gradients are accumulated over an optimizer step */
  microBatchSize: number;
  epochs: number;
  /** number of optimizer steps, instead of `epochs`; the schedule spans them */
  maxSteps?: number;
  /** L2 norm that longer gradients are scaled down to; null: no clipping */
  maxGradientNorm: number | null;
  weightDecay: number;
  beta1: number;
  beta2: number;
  epsilon: number;
  /** tokens of a row, beginning- and end-of-sequence included */
  maxLength: number;
  /** of matrix products; default "float32"; "tf32" needs a GPU that has it, "bfloat16" a CPU that has it */
  precision?: Precision;
  /**
   * whether a GPU may use only operations that give the same bits every time, which takes longer; default false. On a
   * CPU runs are reproducible without it, and it is not part of the recipe.
   */
  deterministic?: boolean;
  /**
   * whether a layer is computed again in the backward pass instead of keeping what its gradient needs: a fraction of the
   * memory, about a quarter more time, the same result; default false. It is not part of the recipe.
   */
  recompute?: boolean;
  /** trains an adapter (LoRA) of this rank, scale and place instead of all parameters; default, or null: all parameters */
  adapter?: AdapterSettings | null;
}

/**
 * Hyperparameters of the paper: the first set in Stanford Alpaca's README (section 4 and C.1).
 * Its batch of 128 is 4 rows × 8 accumulation steps × 4 GPUs; max_grad_norm, betas and epsilon are the defaults of
 * Transformers.
 */
export const ALPACA_HYPERPARAMETERS: Readonly<Hyperparameters> = {
  learningRate: 2e-5,
  schedule: "cosine",
  warmupRatio: 0.03,
  batchSize: 128,
  microBatchSize: 4,
  epochs: 3,
  maxGradientNorm: 1,
  weightDecay: 0,
  beta1: 0.9,
  beta2: 0.999,
  epsilon: 1e-8,
  maxLength: 512,
};

const isNumber = (value: unknown): value is number => typeof value === "number" && Number.isFinite(value);
const atLeastZero: v.GenericSchema<number> = v.pipe(
  rule<number>("a finite number of at least 0", (x) => isNumber(x) && x >= 0),
  fitsFloat32(),
);
const momentDecay: v.GenericSchema<number> = rule(
  "a number in [0, 1), also in float32",
  (x) => isNumber(x) && x >= 0 && Math.fround(x) < 1,
);
const positive: v.GenericSchema<number> = v.pipe(
  rule<number>("a finite number above 0", (x) => isNumber(x) && x > 0),
  fitsFloat32(),
);

const rules = {
  learningRate: atLeastZero,
  schedule: oneOf(SCHEDULES),
  warmupRatio: rule<number>("a number between 0 and 1", (x) => isNumber(x) && x >= 0 && x <= 1),
  batchSize: wholeNumber(1),
  microBatchSize: wholeNumber(1),
  epochs: wholeNumber(1),
  maxSteps: wholeNumber(1),
  maxGradientNorm: v.pipe(
    rule<number | null>(
      "a finite number above 0, or null for no clipping",
      (x) => x === null || (isNumber(x) && x > 0),
    ),
    fitsFloat32<number | null>(),
  ),
  weightDecay: atLeastZero,
  beta1: momentDecay,
  beta2: momentDecay,
  epsilon: positive,
  maxLength: wholeNumber(2),
  precision: oneOf(PRECISIONS),
  deterministic: truth,
  recompute: truth,
  adapter: v.nullable(adapterSchema),
} satisfies Record<keyof Hyperparameters, v.GenericSchema>;

/** Some hyperparameters by name; the others stay undefined. */
export const someHyperparametersSchema: v.GenericSchema<unknown, Partial<Hyperparameters>> = v.pipe(
  objectOf(v.partial(v.object(rules)).entries),
  v.transform(defined),
);

/** All hyperparameters; only `maxSteps`, `precision`, `deterministic`, `recompute` and `adapter` may be absent. */
export const completeHyperparametersSchema: v.GenericSchema<unknown, Hyperparameters> = objectOf({
  ...rules,
  maxSteps: v.optional(rules.maxSteps),
  precision: v.optional(rules.precision),
  deterministic: v.optional(rules.deterministic),
  recompute: v.optional(rules.recompute),
  adapter: v.optional(rules.adapter),
}) as never;

/** Some hyperparameters, completed with {@link ALPACA_HYPERPARAMETERS}. */
export const hyperparametersSchema: v.GenericSchema<unknown, Hyperparameters> = v.pipe(
  someHyperparametersSchema,
  v.transform((given): Hyperparameters => ({ ...ALPACA_HYPERPARAMETERS, ...given })),
);

/**
 * Completes hyperparameters with {@link ALPACA_HYPERPARAMETERS}.
 * @param given some hyperparameters by name
 * @param where names them in an error; default "hyperparameters"
 * @throws {TrainingError} listing unknown names and values out of range
 */
export function completeHyperparameters(given: unknown, where = "hyperparameters"): Hyperparameters {
  return validated(hyperparametersSchema, given, where, TrainingError);
}

/**
 * The hyperparameters as a recipe has them: without `precision`, `deterministic` and `adapter` where they are the
 * defaults, so that the ids of runs are those of versions that had none of them, and without `recompute`, which changes no
 * result.
 *
 * @param where names them in an error
 * @throws {TrainingError} for a precision that the device does not have
 */
export function recipeHyperparameters(given: Hyperparameters, device: "CPU" | "GPU", where: string): Hyperparameters {
  const { precision, deterministic, adapter, ...others } = given;
  delete others.recompute;
  if (precision === "tf32" && device === "CPU") {
    throw new TrainingError(
      `${where}: hyperparameter precision is "tf32", which only NVIDIA GPUs from Ampere on compute; this machine ` +
        'computes on its CPU, in float32. Leave precision out, set it to "float32", or use such a GPU.',
    );
  }
  const problem = precision !== "bfloat16" ? undefined : device === "GPU" ? ON_GPU : bfloat16Problem();
  if (problem) {
    throw new TrainingError(
      `${where}: hyperparameter precision is "bfloat16", and matrix products of bfloat16 are not possible here: ` +
        `${problem}. Leave precision out, or set it to "float32".`,
    );
  }
  return {
    ...others,
    ...(precision !== undefined && precision !== "float32" && { precision }),
    ...(deterministic && device === "GPU" && { deterministic }),
    ...(adapter && { adapter: v.parse(adapterSchema, adapter) }),
  };
}

const ON_GPU = "they are those of a CPU, and this machine computes on its GPU";

/** How a process must compute to train with these hyperparameters. */
export function arithmeticOf({ precision = "float32", deterministic = false }: Hyperparameters): Arithmetic {
  return { precision, deterministic };
}

function defined<T extends object>(object: T): Partial<T> {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as Partial<T>;
}
