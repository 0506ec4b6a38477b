// From runs and data sets to the plain rows that figures and tables are made of.
import { RunError } from "../data/errors";
import type { Example } from "../data/example";
import { countTokens } from "../data/statistics";
import type { Tokenizer } from "../data/tokenizer";
import { weightDistance, type WeightDistance } from "../metrics/distance";
import { relativeStandardDeviation, type StabilityOptions } from "../metrics/stability";
import { DigestCache, modelDigest } from "../runs/digests";
import type { Run } from "../runs/store";
import type { StepRecord } from "../runs/steps";
import { mean } from "../data/group";

/** The factors of a run, as every row carries them. */
export function factors({ recipe }: Run): {
  model: string;
  dataset: string;
  normalizer: string;
  seed: number;
  plw: number;
} {
  return {
    model: recipe.model.name,
    dataset: recipe.data.name,
    normalizer: recipe.normalizer,
    seed: recipe.seed,
    plw: recipe.plw,
  };
}

/** Losses of every step, for `lossCurves`. */
export function lossRows(runs: readonly Run[]): LossRow[] {
  return runs.flatMap((run) =>
    run.records.map(({ step, loss, promptLoss, completionLoss }) => ({
      ...factors(run),
      step,
      loss,
      promptLoss,
      completionLoss,
    })),
  );
}

/** Which loss of a step record: the weighted one that is trained on, or the cross entropy of one part's tokens. */
export type LossName = "loss" | "promptLoss" | "completionLoss";

/** One row a run. The losses are means over the last tenth of the steps; null where no batch had such tokens. */
export type RunRow = {
  run: string;
  status: string;
  model: string;
  dataset: string;
  normalizer: string;
  seed: number;
  plw: number;
  steps: number;
  /** Trained on, padding not counted. */
  tokens: number;
  loss: number | null;
  promptLoss: number | null;
  completionLoss: number | null;
};

/** What was trained, and the losses at the end. Run times stay in the runs' records: they differ each time. */
export function runRows(runs: readonly Run[]): RunRow[] {
  return runs.map((run) => {
    const { id, status, records } = run;
    const last = records.slice(-Math.max(1, Math.floor(records.length / 10)));
    const final = (key: LossName): number | null => {
      const values = last.flatMap((record) => record[key] ?? []);
      return values.length > 0 ? mean(values) : null;
    };
    return {
      run: id,
      status,
      ...factors(run),
      steps: records.length,
      tokens: records.reduce((sum, record) => sum + record.tokens, 0),
      loss: final("loss"),
      promptLoss: final("promptLoss"),
      completionLoss: final("completionLoss"),
    };
  });
}

/**
 * RSD of every window of the weighted loss, for `figure2a`; options as for `relativeStandardDeviation`. With `loss`,
 * of another loss instead: that of the completion tokens does not depend on how the weighted loss is normalized.
 * A step whose batch had no such tokens ends a stretch of windows; runs and stretches shorter than a window have none.
 */
export function stabilityRows(
  runs: readonly Run[],
  { window = 5, loss = "loss", ...options }: StabilityOptions & { window?: number; loss?: LossName } = {},
): StabilityRow[] {
  const stride = options.overlapping === false ? window : 1;
  return runs.flatMap((run) =>
    stretches(run.records, loss)
      .filter(({ losses }) => losses.length >= window)
      .flatMap(({ from, losses }) =>
        relativeStandardDeviation(losses, window, options).windows.map((rsd, i) => ({
          ...factors(run),
          step: from + i * stride,
          rsd,
        })),
      ),
  );
}

/** Consecutive steps that all have a loss. */
function stretches(records: readonly StepRecord[], loss: LossName): { from: number; losses: number[] }[] {
  const found: { from: number; losses: number[] }[] = [];
  let open = false;
  for (const record of records) {
    const value = record[loss];
    if (value !== null && !open) found.push({ from: record.step, losses: [] });
    open = value !== null;
    if (value !== null) found[found.length - 1].losses.push(value);
  }
  return found;
}

/**
 * Distance between each complete run's weights and those it started from, for `figure2b`. Reads both from disk.
 * @throws RunError where the model that a run started from is no longer what it was
 */
export function distanceRows(runs: readonly Run[]): DistanceRow[] {
  return distances(runs).map(({ run, distance }) => ({ ...factors(run), distance: distance.distance }));
}

/** The same by decoder layer and by kind of tensor, for `figure2bParts`. @throws RunError as {@link distanceRows} */
export function distancePartRows(runs: readonly Run[]): DistancePartRow[] {
  return distances(runs).flatMap(({ run, distance: { perLayer, perKind } }) =>
    (
      [
        ["layer", perLayer],
        ["kind", perKind],
      ] as const
    ).flatMap(([by, parts]) =>
      Object.entries(parts).map(([part, distance]) => ({ ...factors(run), by, part, distance })),
    ),
  );
}

/** Of complete runs, whose weights do not change: both functions above, and those that call them, read a model once. */
const measured = new WeakMap<Run, WeightDistance>();

function distances(runs: readonly Run[]): { run: Run; distance: WeightDistance }[] {
  const caches = new Map<string, DigestCache>();
  return runs.map((run) => {
    const { root } = run.store;
    if (!caches.has(root)) caches.set(root, new DigestCache(root));
    if (modelDigest(run.initialDir, caches.get(root)!).digest !== run.recipe.model.digest) {
      throw new RunError(
        `distanceRows: ${run.initialDir} has changed since ${run.name} started from it, so the distance between the two says nothing. ` +
          "Restore that model, or train its runs again.",
      );
    }
    if (!measured.has(run)) measured.set(run, weightDistance(run.initialDir, run.weightsDir));
    return { run, distance: measured.get(run)! };
  });
}

/** Token counts of every row's fields, for `lengthHistograms`. */
export function lengthRows(dataset: string, examples: readonly Example[], tokenizer: Tokenizer): LengthRow[] {
  const { instruction, input, completion } = countTokens(examples, tokenizer);
  return completion.map((count, row) => ({
    dataset,
    instruction: instruction[row],
    input: input[row],
    completion: count,
  }));
}

/** RSD of the loss in one window of one run. */
export type StabilityRow = {
  model: string;
  dataset: string;
  normalizer: string;
  seed: number;
  plw: number;
  /** Step at which the window starts, from 1. */
  step: number;
  rsd: number;
};

/** How far one part of a run's weights ended from where it started. */
export type DistancePartRow = {
  model: string;
  dataset: string;
  normalizer: string;
  seed: number;
  plw: number;
  /** what the weights are divided by: decoder layers, or kinds of tensors over all layers */
  by: "layer" | "kind";
  part: string;
  /** L2; squares of a run's parts of one division add up to that of the whole */
  distance: number;
};

/** How far one run's weights ended from the model it started from. */
export type DistanceRow = {
  model: string;
  dataset: string;
  normalizer: string;
  seed: number;
  plw: number;
  /** L2, see `weightDistance`. */
  distance: number;
};

/** Tokens of one example: its fields alone, without template and special tokens. */
export type LengthRow = {
  dataset: string;
  instruction: number;
  input: number;
  completion: number;
};

/** The losses of one training step of one run. */
export type LossRow = {
  model: string;
  dataset: string;
  normalizer: string;
  seed: number;
  plw: number;
  step: number;
  /** The weighted loss, which is trained on. */
  loss: number;
  /** Mean cross entropy of prompt and of completion tokens; null in a batch that has none. */
  promptLoss: number | null;
  completionLoss: number | null;
};
