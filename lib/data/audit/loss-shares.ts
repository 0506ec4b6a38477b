import { optimizerBatches } from "../batches";
import type { EncodedExample } from "../encode";
import { completionUnder, type LossWeighting, type Turns } from "../loss-weighting";
import { PARTS, type Part } from "../parts";
import { chunked } from "../group";
import { lossDivisors, weightedBatch, type Normalizer } from "../normalizer";
import { expanded, type RowOutline } from "./outline";

/**
 * Whether tokens count as completion or as prompt: whether they are learned with weight 1 or have the PLW, unless a weight
 * by part replaces it.
 */
export type Role = "prompt" | "completion";

/** Predicted tokens of one part in one role. */
export interface AuditPart {
  part: Part;
  role: Role;
  /** number of tokens in the rows that are trained on; the first token of a row is never predicted, and not counted */
  tokens: number;
  /** share of all predicted tokens, from 0 to 1 */
  share: number;
}

/** Share of one part and role in the loss, at one weight and normalizer. */
export interface AuditShare {
  plw: number;
  normalizer: Normalizer;
  part: Part;
  role: Role;
  /** Σ of its tokens' coefficients over the Σ of all, from 0 to 1: its share if every token had the same cross entropy */
  share: number;
}

/** How the rows of an epoch are split and weighted. */
export interface EpochOptions {
  plws: readonly number[];
  normalizers: readonly Normalizer[];
  weighting: Omit<LossWeighting, "plw">;
  /** rows of an optimizer step, and of a micro-batch within it */
  batchSize: number;
  microBatchSize: number;
  /** of the order of the rows */
  seed: number;
}

/** A part in a role, by the number `2 · part + role`. */
const GROUPS = PARTS.flatMap((part) => (["prompt", "completion"] as const).map((role) => ({ part, role })));

/** For each predicted token (1 … length − 1), the number of its group. */
function groupsOf(example: EncodedExample, turns?: Turns): number[] {
  const counted = completionUnder(example, turns);
  return example.parts.slice(1).map((part, i) => 2 * PARTS.indexOf(part) + (counted[i + 1] ? 1 : 0));
}

/** Counts predicted tokens by part and role; those that do not occur are left out. */
export function partCounts(outlines: readonly RowOutline[], turns?: Turns): AuditPart[] {
  const counts = GROUPS.map(() => 0);
  for (const { stretches } of outlines) {
    const counted = completionUnder(
      { completion: stretches.map(({ completion }) => completion), messages: stretches.map(({ message }) => message) },
      turns,
    );
    for (const [i, { part, length }] of stretches.entries())
      counts[2 * PARTS.indexOf(part) + (counted[i] ? 1 : 0)] += i === 0 ? length - 1 : length;
  }
  const total = counts.reduce((sum, count) => sum + count, 0);
  return GROUPS.map((group, g) => ({ ...group, tokens: counts[g], share: counts[g] / total })).filter(
    ({ tokens }) => tokens > 0,
  );
}

/**
 * The share of every part in the loss of the first epoch, at each weight and normalizer: as training splits its rows
 * into optimizer batches and micro-batches, if every token had the same cross entropy. NaN where no token has a weight.
 */
export function lossShares(outlines: readonly RowOutline[], options: EpochOptions): AuditShare[] {
  const { plws, normalizers, weighting, batchSize, microBatchSize, seed } = options;
  const present = partCounts(outlines, weighting.turns);
  const settings = normalizers.flatMap((normalizer) =>
    plws.map((plw) => ({ normalizer, plw, sums: new Float64Array(GROUPS.length) })),
  );
  for (const rows of optimizerBatches(outlines.length, batchSize, 0, seed)) {
    const examples = rows.map((index) => expanded(outlines[index]));
    const groups = examples.map((example) => groupsOf(example, weighting.turns));
    const microBatches = chunked([...rows.keys()], microBatchSize);
    for (const plw of plws) {
      const batch = weightedBatch(examples, { ...weighting, plw }, microBatches);
      const weightSums = batch.weights.map((weights, i) => sumsByGroup(weights, groups[i]));
      for (const setting of settings) {
        if (setting.plw === plw) addShares(setting.sums, weightSums, lossDivisors(batch, setting.normalizer).divisors);
      }
    }
  }
  return settings.flatMap(({ normalizer, plw, sums }) => {
    const total = sums.reduce((sum, value) => sum + value, 0);
    return present.map(({ part, role }) => {
      const own = sums[2 * PARTS.indexOf(part) + (role === "completion" ? 1 : 0)];
      return { plw, normalizer, part, role, share: own / total };
    });
  });
}

/** Σ w of a row by group. */
function sumsByGroup(weights: readonly number[], groups: readonly number[]): Float64Array {
  const sums = new Float64Array(GROUPS.length);
  for (const [i, group] of groups.entries()) sums[group] += weights[i + 1];
  return sums;
}

/** Adds the coefficients of a batch's rows by group: Σ w of each row by its divisor. */
function addShares(sums: Float64Array, weightSums: readonly Float64Array[], divisors: readonly number[]): void {
  for (const [i, ofRow] of weightSums.entries()) {
    if (divisors[i] > 0) for (const [group, sum] of ofRow.entries()) sums[group] += sum / divisors[i];
  }
}
