// Rotary embeddings: their settings in config.json, and the frequencies that follow from them.
// Source: Transformers 5.24, `modeling_rope_utils`.
import * as v from "valibot";
import { isObject, objectOf, rule } from "../data/validate";
import { only, positive, positiveCount, truth } from "./config-values";

/** Llama 3's scaling, by frequency. */
export interface Llama3Scaling {
  type?: undefined;
  factor: number;
  lowFrequencyFactor: number;
  highFrequencyFactor: number;
  originalMaxPositions: number;
}

/** All frequencies divided by a factor. */
export interface LinearScaling {
  type: "linear";
  factor: number;
}

/** NTK: a base that grows with a sequence that is longer than the original context. */
export interface DynamicScaling {
  type: "dynamic";
  factor: number;
  originalMaxPositions: number;
}

/** YaRN: low frequencies divided by a factor, high ones kept, and a factor on cosines and sines. */
export interface YarnScaling {
  type: "yarn";
  factor: number;
  originalMaxPositions: number;
  attentionFactor: number;
  betaFast: number;
  betaSlow: number;
  truncate: boolean;
}

/** LongRoPE: a divisor of each frequency, other ones for sequences that are longer than the original context. */
export interface LongRopeScaling {
  type: "longrope";
  shortFactors: readonly number[];
  longFactors: readonly number[];
  originalMaxPositions: number;
  attentionFactor: number;
}

/** How the frequencies of rotary embeddings are changed for contexts that are longer than the original one. */
export type RopeScaling = Llama3Scaling | LinearScaling | DynamicScaling | YarnScaling | LongRopeScaling;

/** Whether the frequencies depend on the length of a sequence, so that what precedes it cannot be computed alone. */
export const dependsOnLength = (scaling: RopeScaling | null): boolean =>
  scaling?.type === "dynamic" || scaling?.type === "longrope";

/** What determines the frequencies. */
export interface RopeSettings {
  base: number;
  scaling: RopeScaling | null;
  /** number of dimensions that are rotated, even */
  size: number;
}

/**
 * Computes the frequencies of the rotary embedding, base^(−2i/size) for each pair i of dimensions, scaled.
 *
 * @param length of the sequence, for a scaling that depends on it; default 1
 * @returns size / 2 `frequencies`, in radians per position, and the `factor` on cosines and sines
 */
export function ropeFrequencies(
  { base, scaling, size }: RopeSettings,
  length = 1,
): { frequencies: number[]; factor: number } {
  const pairs = Array.from({ length: size / 2 }, (_, i) => i);
  const plain = (theta: number) => pairs.map((i) => theta ** ((-2 * i) / size));
  switch (scaling?.type) {
    case undefined:
      return { frequencies: scaling ? plain(base).map((f) => llama3(f, scaling)) : plain(base), factor: 1 };
    case "linear":
      return { frequencies: plain(base).map((f) => f / scaling.factor), factor: 1 };
    case "dynamic": {
      const { factor, originalMaxPositions: original } = scaling;
      const growth = (factor * Math.max(length, original)) / original - (factor - 1);
      return { frequencies: plain(base * growth ** (size / (size - 2))), factor: 1 };
    }
    case "yarn":
      return { frequencies: yarn(plain(base), base, size, scaling), factor: scaling.attentionFactor };
    case "longrope": {
      const factors = length > scaling.originalMaxPositions ? scaling.longFactors : scaling.shortFactors;
      return { frequencies: plain(base).map((f, i) => f / factors[i]), factor: scaling.attentionFactor };
    }
  }
}

function llama3(frequency: number, scaling: Llama3Scaling): number {
  const wavelength = (2 * Math.PI) / frequency;
  const { factor, lowFrequencyFactor: low, highFrequencyFactor: high, originalMaxPositions: positions } = scaling;
  if (wavelength > positions / low) return frequency / factor;
  if (wavelength < positions / high) return frequency;
  const smooth = (positions / wavelength - low) / (high - low);
  return ((1 - smooth) * frequency) / factor + smooth * frequency;
}

/** Keeps the frequencies of at least `betaFast` turns in the original context, divides those of at most `betaSlow`. */
function yarn(frequencies: number[], base: number, size: number, scaling: YarnScaling): number[] {
  const { factor, originalMaxPositions, betaFast, betaSlow, truncate } = scaling;
  const pairOf = (turns: number) =>
    (size * Math.log(originalMaxPositions / (turns * 2 * Math.PI))) / (2 * Math.log(base));
  const [first, last] = [pairOf(betaFast), pairOf(betaSlow)];
  const low = Math.max(truncate ? Math.floor(first) : first, 0);
  const high = Math.min(truncate ? Math.ceil(last) : last, size - 1);
  return frequencies.map((frequency, i) => {
    const divided = Math.min(1, Math.max(0, (i - low) / (high === low ? 0.001 : high - low)));
    return (frequency / factor) * divided + frequency * (1 - divided);
  });
}

/** The part of a config that the settings of rotary embeddings refer to. */
interface Around {
  /** `max_position_embeddings` */
  maxPositions: number;
  /** `original_max_position_embeddings`, where a family has it beside the rope parameters */
  originalMaxPositions?: number;
}

const factors = rule<number[]>(
  "a list of finite numbers above 0",
  (value) => Array.isArray(value) && value.every((x) => typeof x === "number" && Number.isFinite(x) && x > 0),
);
const optionalFactor = v.nullish(positive);

/** Schema of the share of a head that is rotated. */
export const rotaryShare = rule<number>(
  "a number above 0 and at most 1",
  (x) => typeof x === "number" && x > 0 && x <= 1,
);

const original = { original_max_position_embeddings: v.nullish(positiveCount) };

/** Keys by type, without those of every type. Others are refused, because a parameter that is left out matters. */
const TYPES = {
  default: original,
  linear: { ...original, factor: positive },
  dynamic: { ...original, factor: positive },
  llama3: { ...original, factor: positive, low_freq_factor: positive, high_freq_factor: positive },
  yarn: {
    ...original,
    factor: optionalFactor,
    attention_factor: optionalFactor,
    beta_fast: optionalFactor,
    beta_slow: optionalFactor,
    mscale: optionalFactor,
    mscale_all_dim: optionalFactor,
    truncate: v.nullish(truth),
    finetuned: v.nullish(truth), // says how the model was made
  },
  longrope: {
    ...original,
    factor: optionalFactor,
    attention_factor: optionalFactor,
    short_factor: factors,
    long_factor: factors,
  },
};
type RopeType = keyof typeof TYPES;

/** The types that a family's rope parameters may have, and whether they may say that a share of the head is rotated. */
const ALLOWED = {
  whole: { types: Object.keys(TYPES), share: only(1) },
  "by layer": { types: Object.keys(TYPES), share: only(1) },
  plain: { types: ["default"], share: only(1) },
  share: { types: ["default", "longrope"], share: v.nullish(rotaryShare) },
};

/** The type of rope parameters: Transformers 5 writes rope_type, earlier versions type. */
const ropeType = (value: unknown): unknown =>
  isObject(value) ? (value.rope_type ?? value.type ?? "default") : undefined;

/** Schema of `rope_parameters` (Transformers 5) and `rope_scaling` (before). @param kind what the family allows */
export function ropeParametersSchema(kind: keyof typeof ALLOWED): v.GenericSchema<unknown, RopeParameters> {
  const { types, share } = ALLOWED[kind];
  return v.lazy((value): v.GenericSchema<unknown, RopeParameters> => {
    const type = String(ropeType(value));
    if (!types.includes(type)) {
      const renamed = type === "su" ? '; write "longrope" instead of "su"' : "";
      return rule<never>(`rope parameters of type ${types.join(", ")}${renamed}`, () => false);
    }
    const any = v.optional(v.any());
    const every = { rope_type: any, type: any, rope_theta: v.nullish(positive), partial_rotary_factor: share };
    return objectOf({ ...every, ...TYPES[type as RopeType] }) as v.GenericSchema<unknown, RopeParameters>;
  });
}

/** The number of positions that a scaling stretches a context of `length` to. */
export function scaledLength(length: number, scaling: RopeScaling | null): number {
  if (scaling?.type === "linear" || scaling?.type === "dynamic") return Math.floor(length * scaling.factor);
  if (scaling?.type === "yarn") return Math.max(length, Math.floor(scaling.originalMaxPositions * scaling.factor));
  return length;
}

/** The length that {@link scaledLength} makes `scaled` of. */
export function statedLength(scaled: number, scaling: RopeScaling | null): number {
  if (scaling?.type === "dynamic") return scaling.originalMaxPositions;
  return scaling?.type === "linear" ? Math.round(scaled / scaling.factor) : scaled;
}

/** Checked rope parameters, in the names of config.json. */
export interface RopeParameters {
  rope_type?: unknown;
  type?: unknown;
  rope_theta?: number | null;
  partial_rotary_factor?: number | null;
  original_max_position_embeddings?: number | null;
  factor?: number | null;
  low_freq_factor?: number;
  high_freq_factor?: number;
  attention_factor?: number | null;
  beta_fast?: number | null;
  beta_slow?: number | null;
  mscale?: number | null;
  mscale_all_dim?: number | null;
  truncate?: boolean | null;
  short_factor?: number[];
  long_factor?: number[];
}

/** Reads the scaling of checked rope parameters. */
export function readScaling(json: RopeParameters, around: Around): RopeScaling | null {
  const type = ropeType(json) as RopeType;
  const original = around.originalMaxPositions ?? json.original_max_position_embeddings ?? around.maxPositions;
  switch (type) {
    case "default":
      return null;
    case "linear":
      return { type, factor: json.factor! };
    case "dynamic":
      return { type, factor: json.factor!, originalMaxPositions: around.maxPositions };
    case "llama3":
      return {
        factor: json.factor!,
        lowFrequencyFactor: json.low_freq_factor!,
        highFrequencyFactor: json.high_freq_factor!,
        originalMaxPositions: original,
      };
    case "yarn": {
      const factor = json.factor ?? around.maxPositions / original;
      const { mscale, mscale_all_dim: all } = json;
      const attention = (scale = 1) => (factor <= 1 ? 1 : 0.1 * scale * Math.log(factor) + 1);
      return {
        type,
        factor,
        originalMaxPositions: original,
        attentionFactor: json.attention_factor ?? (mscale && all ? attention(mscale) / attention(all) : attention()),
        betaFast: json.beta_fast ?? 32,
        betaSlow: json.beta_slow ?? 1,
        truncate: json.truncate ?? true,
      };
    }
    case "longrope": {
      const factor = json.factor ?? around.maxPositions / original;
      return {
        type,
        shortFactors: json.short_factor!,
        longFactors: json.long_factor!,
        originalMaxPositions: original,
        attentionFactor:
          json.attention_factor ?? (factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(original))),
      };
    }
  }
}

/** A scaling as config.json has it; null for none. */
export function scalingJson(scaling: RopeScaling | null): Record<string, unknown> | null {
  if (scaling === null) return null;
  switch (scaling.type) {
    case undefined:
      return {
        rope_type: "llama3",
        factor: scaling.factor,
        low_freq_factor: scaling.lowFrequencyFactor,
        high_freq_factor: scaling.highFrequencyFactor,
        original_max_position_embeddings: scaling.originalMaxPositions,
      };
    case "linear":
    case "dynamic":
      return { rope_type: scaling.type, factor: scaling.factor };
    case "yarn":
      return {
        rope_type: "yarn",
        factor: scaling.factor,
        original_max_position_embeddings: scaling.originalMaxPositions,
        attention_factor: scaling.attentionFactor,
        beta_fast: scaling.betaFast,
        beta_slow: scaling.betaSlow,
        truncate: scaling.truncate,
      };
    case "longrope":
      return {
        rope_type: "longrope",
        short_factor: scaling.shortFactors,
        long_factor: scaling.longFactors,
        original_max_position_embeddings: scaling.originalMaxPositions,
        attention_factor: scaling.attentionFactor,
      };
  }
}
