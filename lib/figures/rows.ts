// From runs and data sets to the plain rows that figures and tables are made of.
import type { Example } from "../data/example";
import { countTokens } from "../data/statistics";
import type { Tokenizer } from "../data/tokenizer";
import { weightDistance } from "../metrics/distance";
import { relativeStandardDeviation, type StabilityOptions } from "../metrics/stability";
import type { Run } from "../runs/store";
import type { StabilityRow } from "./figure2a";
import type { DistanceRow } from "./figure2b";
import type { LengthRow } from "./length-histograms";
import type { LossRow } from "./loss-curves";
import type { Look } from "./theme";

/** Colors, markers and dashes of a study: by the order in which it lists its data sets and models. */
export function studyLook(study: { datasets: object; models: object }): Look {
  return { datasets: Object.keys(study.datasets), models: Object.keys(study.models) };
}

/** The factors of a run, as every row carries them. */
function factors({ recipe }: Run): { model: string; dataset: string; normalizer: string; seed: number; plw: number } {
  return { model: recipe.model.name, dataset: recipe.data.name, normalizer: recipe.normalizer, seed: recipe.seed, plw: recipe.plw };
}

/** Losses of every step, for `lossCurves`. */
export function lossRows(runs: readonly Run[]): LossRow[] {
  return runs.flatMap((run) => run.records.map(({ step, loss, promptLoss, completionLoss }) => (
    { ...factors(run), step, loss, promptLoss, completionLoss }
  )));
}

/**
 * RSD of every window of the weighted loss, for `figure2a`; options as for `relativeStandardDeviation`.
 * @throws RangeError for a run with fewer steps than one window
 */
export function stabilityRows(runs: readonly Run[], { window = 5, ...options }: StabilityOptions & { window?: number } = {}): StabilityRow[] {
  const stride = options.overlapping === false ? window : 1;
  return runs.flatMap((run) => {
    const { windows } = relativeStandardDeviation(run.records.map((record) => record.loss), window, options);
    return windows.map((rsd, i) => ({ ...factors(run), step: 1 + i * stride, rsd }));
  });
}

/** Distance between each complete run's weights and those it started from, for `figure2b`. Reads both from disk. */
export function distanceRows(runs: readonly Run[]): DistanceRow[] {
  return runs.map((run) => ({ ...factors(run), distance: weightDistance(run.initialDir, run.weightsDir).distance }));
}

/** Token counts of every row's fields, for `lengthHistograms`. */
export function lengthRows(dataset: string, examples: readonly Example[], tokenizer: Tokenizer): LengthRow[] {
  const { instruction, input, completion } = countTokens(examples, tokenizer);
  return completion.map((count, row) => ({ dataset, instruction: instruction[row], input: input[row], completion: count }));
}
