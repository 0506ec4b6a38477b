// Converts runs and data sets to the rows of figures and tables.
import { checkOptions } from "../data/arguments";
import { checkRuns } from "../runs/check-runs";
import { join } from "node:path";
import { RunError, StoreError } from "../data/errors";
import type { Row } from "../data/rows";
import { countTokens } from "../data/statistics";
import { partWeightsLabel } from "../data/part-weights";
import type { Tokenizer } from "../data/tokenizer";
import { weightDistance, type WeightDistance } from "../metrics/distance";
import { relativeStandardDeviation, STABILITY_OPTIONS, type StabilityOptions } from "../metrics/stability";
import { DigestCache, modelDigest } from "../runs/digests";
import { oneOf, wholeNumber, isObject } from "../data/validate";
import { readJsonIfAny, writeFileAtomic } from "../runs/files";
import { parametersOf, type Run } from "../runs/store";
import type { StepRecord } from "../runs/steps";
import { mean } from "../data/group";
import { withWeightColumns } from "./arms";

/** Name of the variant in studies that have only one set of hyperparameters. */
export const ONLY_VARIANT = "default";

/** The factors that identify one run of a study: columns of every row about it. */
export type RunFactors = {
  model: string;
  dataset: string;
  normalizer: string;
  /** λr; present if it is not 1 in all of several runs */
  completionWeight?: number;
  /** weights of parts, such as "thinking 0.8"; present if some of several runs have any */
  partWeights?: string;
  /** name of the set of hyperparameters */
  variant: string;
  seed: number;
  plw: number;
};

/** Returns the factors of a run, which every row includes. Weights at their defaults are absent. */
export function factors({ recipe }: Run): RunFactors {
  const { completionWeight, partWeights } = recipe;
  return {
    model: recipe.model.name,
    dataset: recipe.data.name,
    normalizer: recipe.normalizer,
    ...(completionWeight !== undefined && { completionWeight }),
    ...(partWeights !== undefined && { partWeights: partWeightsLabel(partWeights) }),
    variant: recipe.variant ?? ONLY_VARIANT,
    seed: recipe.seed,
    plw: recipe.plw,
  };
}

/**
 * Returns the factors of each of several runs, all with the same columns: with a weight if one of the runs has it not at
 * its default.
 */
export function factorsOf(runs: readonly Run[]): (run: Run) => RunFactors {
  const found = new Map(withWeightColumns(runs.map(factors)).map((row, i) => [runs[i].id + runs[i].name, row]));
  return (run) => found.get(run.id + run.name) ?? factors(run);
}

/** Lists the losses of every step of every run, for `lossCurves`. */
export function lossRows(runs: readonly Run[]): LossRow[] {
  checkRuns("lossRows", runs);
  const of = factorsOf(runs);
  return runs.flatMap((run) =>
    run.records.map(({ step, loss, promptLoss, completionLoss }) => ({
      ...of(run),
      step,
      loss,
      promptLoss,
      completionLoss,
    })),
  );
}

/**
 * Name of a loss in a step record: the weighted training loss, or the mean cross entropy of prompt or completion
 * tokens.
 */
export type LossName = "loss" | "promptLoss" | "completionLoss";

/**
 * Summary of one run. Losses are means over the last tenth of the steps, in nats per token; null if no batch there had
 * such tokens.
 */
export type RunRow = RunFactors & {
  loss: number | null;
  promptLoss: number | null;
  completionLoss: number | null;
  steps: number;
  /** number of training tokens over all steps, without padding */
  tokens: number;
  status: string;
  /** run id */
  run: string;
};

/** Summarizes runs with their final losses. Run times are omitted, since they differ between repetitions. */
export function runRows(runs: readonly Run[]): RunRow[] {
  checkRuns("runRows", runs);
  const of = factorsOf(runs);
  return runs.map((run) => {
    const { id, status, records } = run;
    const last = records.slice(-Math.max(1, Math.floor(records.length / 10)));
    const final = (key: LossName): number | null => {
      const values = last.flatMap((record) => record[key] ?? []);
      return values.length > 0 ? mean(values) : null;
    };
    return {
      ...of(run),
      loss: final("loss"),
      promptLoss: final("promptLoss"),
      completionLoss: final("completionLoss"),
      steps: records.length,
      tokens: records.reduce((sum, record) => sum + record.tokens, 0),
      status,
      run: id,
    };
  });
}

/**
 * Computes the RSD of a loss in every window of consecutive steps, for `figure2a`. No window includes a step whose
 * batch had no such tokens.
 *
 * @param settings as for `relativeStandardDeviation`
 * @param settings.window number of steps per window; default 5
 * @param settings.loss default "loss", the weighted loss. "completionLoss" does not depend on the normalizer of the
 *   weighted loss.
 * @returns one row per window; none for runs with fewer consecutive steps than a window
 */
export function stabilityRows(
  runs: readonly Run[],
  settings: StabilityOptions & { window?: number; loss?: LossName } = {},
): StabilityRow[] {
  const {
    window = 5,
    loss = "loss",
    ...options
  } = checkOptions("stabilityRows", settings, {
    ...STABILITY_OPTIONS,
    window: wholeNumber(2),
    loss: oneOf<LossName>(["loss", "promptLoss", "completionLoss"]),
  });
  checkRuns("stabilityRows", runs);
  const of = factorsOf(runs);
  const stride = options.overlapping === false ? window : 1;
  return runs.flatMap((run) =>
    consecutiveLosses(run.records, loss)
      .filter(({ losses }) => losses.length >= window)
      .flatMap(({ from, losses }) =>
        relativeStandardDeviation(losses, window, options).windows.map((rsd, i) => ({
          ...of(run),
          step: from + i * stride,
          rsd,
        })),
      ),
  );
}

/** Splits the steps at those without the loss; `from` is the first step of a segment. */
function consecutiveLosses(records: readonly StepRecord[], loss: LossName): { from: number; losses: number[] }[] {
  const segments: { from: number; losses: number[] }[] = [];
  let open = false;
  for (const record of records) {
    const value = record[loss];
    if (value !== null && !open) segments.push({ from: record.step, losses: [] });
    open = value !== null;
    if (value !== null) segments[segments.length - 1].losses.push(value);
  }
  return segments;
}

/**
 * Computes the L2 distance between each complete run's final and initial parameters, for `figure2b`. Distances are
 * stored in the runs' folders: a second call, and one after the parameters were deleted, only reads them.
 *
 * @throws {RunError} if a distance is not stored and the initial model of the run has changed since the run started, or
 *   its parameters were deleted
 * @throws {ModelError} if parameters cannot be read
 */
export function distanceRows(runs: readonly Run[]): DistanceRow[] {
  checkRuns("distanceRows", runs);
  const of = factorsOf(runs);
  return distances(runs).map(({ run, distance }) => ({ ...of(run), distance: distance.distance }));
}

/**
 * Computes the distances of {@link distanceRows} by decoder layer and by kind of tensor, for `figure2bParts`.
 *
 * @throws {RunError} as {@link distanceRows}
 * @throws {ModelError} as {@link distanceRows}
 */
export function distancePartRows(runs: readonly Run[]): DistancePartRow[] {
  checkRuns("distancePartRows", runs);
  const of = factorsOf(runs);
  return distances(runs).flatMap(({ run, distance: { perLayer, perKind } }) =>
    (
      [
        ["layer", perLayer],
        ["kind", perKind],
      ] as const
    ).flatMap(([by, parts]) => Object.entries(parts).map(([part, distance]) => ({ ...of(run), by, part, distance }))),
  );
}

/** Content of distance.json in a run's folder. */
interface StoredDistance {
  /** key: digests of the initial model and of the final parameters; the distance is reused only if they match */
  between: [string, string | undefined];
  distance: WeightDistance;
}

function distances(runs: readonly Run[]): { run: Run; distance: WeightDistance }[] {
  const caches = new Map<string, DigestCache>();
  return runs.map((run) => {
    const known = storedDistance(run);
    if (known) return { run, distance: known };
    const { root } = run.store;
    if (!caches.has(root)) caches.set(root, new DigestCache(root));
    if (modelDigest(run.initialDir, caches.get(root)!).digest !== run.recipe.model.digest) {
      throw new RunError(
        `distanceRows: ${run.initialDir} has changed since ${run.name} started from it, ` +
          "so their distance cannot be computed. Restore that model, or train its runs again.",
      );
    }
    const distance = weightDistance(run.initialDir, parametersOf(run, "compute its distance"));
    store(run, distance);
    return { run, distance };
  });
}

/** Stores a distance, except in a store that cannot be written, which remains usable. */
function store(run: Run, distance: WeightDistance): void {
  const stored: StoredDistance = { between: between(run), distance };
  try {
    writeFileAtomic(distanceFile(run), JSON.stringify(stored));
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
  }
}

const distanceFile = (run: Run) => join(run.dir, "distance.json");
const between = ({ recipe, record }: Run): StoredDistance["between"] => [recipe.model.digest, record.weights?.sha256];

function storedDistance(run: Run): WeightDistance | undefined {
  const stored = readJsonIfAny(distanceFile(run)) as Partial<StoredDistance> | undefined;
  const isSame = JSON.stringify(stored?.between) === JSON.stringify(between(run));
  return isSame && isWeightDistance(stored?.distance) ? stored?.distance : undefined;
}

function isWeightDistance(value: Partial<WeightDistance> | undefined): value is WeightDistance {
  const isNumbers = (values: unknown) => isObject(values) && Object.values(values).every(Number.isFinite);
  return Number.isFinite(value?.distance) && [value?.perTensor, value?.perLayer, value?.perKind].every(isNumbers);
}

/** Whether a run's distance from its initial model is stored in its folder. */
export const hasDistance = (run: Run): boolean => storedDistance(run) !== undefined;

/**
 * Counts the tokens of each field of every row of a data set, for `lengthHistograms`.
 *
 * @param dataset name, for the rows
 */
export function lengthRows(dataset: string, examples: readonly Row[], tokenizer: Tokenizer): LengthRow[] {
  const { instruction, input, completion } = countTokens(examples, tokenizer);
  return completion.map((count, row) => ({
    dataset,
    instruction: instruction[row],
    input: input[row],
    completion: count,
  }));
}

/** RSD of the loss in one window of one run. */
export type StabilityRow = RunFactors & {
  /** first step of the window; steps count from 1 */
  step: number;
  /** standard deviation / mean of the loss */
  rsd: number;
};

/** Distance of one part of a run's final parameters from the initial ones. */
export type DistancePartRow = RunFactors & {
  /** partition of the parameters: by decoder layer, or by kind of tensor over all layers */
  by: "layer" | "kind";
  /** name of the layer or kind, see `WeightDistance` */
  part: string;
  /** L2; the squares over all parts of a partition add up to the square of the run's distance */
  distance: number;
};

/** Distance of one run's final parameters from its initial model. */
export type DistanceRow = RunFactors & {
  /** L2 over all parameters, see `weightDistance` */
  distance: number;
};

/** Token counts of one row's fields, without template and special tokens. */
export type LengthRow = {
  dataset: string;
  instruction: number;
  input: number;
  completion: number;
};

/** Losses of one training step of one run, in nats per token. */
export type LossRow = RunFactors & {
  /** from 1 */
  step: number;
  /** weighted training loss */
  loss: number;
  /** mean cross entropy of prompt tokens; null if the batch has none */
  promptLoss: number | null;
  /** mean cross entropy of completion tokens; null if the batch has none */
  completionLoss: number | null;
};
