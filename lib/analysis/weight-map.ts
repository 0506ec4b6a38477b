// Scores over the PLW (λp) and the weight of the completion (λr) together, and the best pair of both.
import { checkOptions, flag } from "../data/arguments";
import { distinct, groupBy, mean } from "../data/group";
import { plwLabel } from "../data/prompt-loss-weight";
import { seededRandom } from "../data/random";
import { armFactors, armKey, armName, type ArmFactors } from "./arms";
import { assess, withDoubts, type Assessment, type Doubt } from "./assessment";
import { FEW_BENCHMARKS, intervalOf, RESAMPLES, TIE } from "./bootstrap";
import type { Score } from "./read-scores";
import { checkRowsOf } from "./row-schemas";
import { minMaxScale } from "./score-rows";

/** One pair of weights. */
export type WeightCell = {
  /** λp */
  plw: number;
  /** λr */
  completionWeight: number;
  /** 0 to 1: mean relative score over benchmarks, models and seeds; null if this pair lacks a score that another has */
  score: number | null;
};

/** The pair with the highest score. Limits are those of 95 % intervals; null if there are fewer than two benchmarks. */
export type WeightOptimum = {
  plw: number;
  plwLow: number | null;
  plwHigh: number | null;
  completionWeight: number;
  completionWeightLow: number | null;
  completionWeightHigh: number | null;
  /** mean relative score, 0 to 1 */
  score: number;
  /** by how much `score` is too high because the best of several was selected by it, see `PlwOptimum` */
  optimism: number | null;
};

/** Mean relative scores of one data set over both weights, and the best pair. */
export interface WeightMap extends Assessment, Omit<ArmFactors, "completionWeight"> {
  dataset: string;
  /** absent if models are averaged */
  model?: string;
  /** λp, ascending */
  plws: number[];
  /** λr, ascending */
  completionWeights: number[];
  /** every pair, by λr and then λp */
  cells: WeightCell[];
  optimum: WeightOptimum;
  /** number of benchmarks, the resampled units */
  benchmarks: number;
  /** the recommended pair and how sure it is, in one or two sentences led by the reasons to doubt it */
  summary: string;
}

/** The factors of an arm beside λr. */
const BESIDE_WEIGHT = ["normalizer", "partWeights", "variant"] as const;

/**
 * Averages scores over every pair of PLW (λp) and completion weight (λr), and finds the best pair.
 *
 * Scores are min-max scaled within data set, benchmark and the other factors of the arm, over all pairs, models and seeds
 * together (within a model if the maps are by model), and averaged over models and seeds, then over benchmarks. Pairs
 * that lack a score which another pair has, such as that of a run that failed, are missing, not averaged over what is
 * there; benchmarks whose scores are all equal are left out. Of tied pairs the one with the smallest λp counts as best, and of those the
 * one whose λr is nearest to 1. Intervals are 95 % percentile bootstrap intervals over benchmarks (2,000 resamples,
 * seeded), in each of which the best pair is selected again; they include all ties, and generalize to other benchmarks,
 * not to other models or seeds.
 *
 * Where no part has a weight of its own: with λp = 0 and one divisor that does not scale with the weights, such as that
 * of "tokens" or "completion", λr only rescales the loss, which AdamW absorbs but for gradient clipping and its ε; with a
 * divisor that does scale, such as that of "weights", only the ratio λp / λr matters. Differences along such cells say
 * something of the optimizer, not of the weights.
 *
 * @param rows scores, from `scoreRows` or `readScores`
 * @param options.byModel one map per model; default true. Otherwise models are averaged
 * @returns `maps`: one per data set, model and other factors of the arm, in the order of first appearance; `summary`:
 *   theirs, one per line, or why there are none
 */
export function weightMaps(
  rows: readonly Score[],
  options: { byModel?: boolean } = {},
): { maps: WeightMap[]; summary: string } {
  const { byModel = true } = checkOptions("weightMaps", options, { byModel: flag });
  checkRowsOf("weightMaps", "score", rows);
  const weights = (of: (row: Score) => number) => distinct(rows.map(of)).length;
  if (weights(completionWeightOf) < 2 || weights(({ plw }) => plw) < 2)
    return {
      maps: [],
      summary:
        "The scores do not have several PLWs and several completion weights, so there is no map of both. Add " +
        '"completionWeights" to the study file, for example "completionWeights": [0.2, 0.5, 1].',
    };
  const groups = groupBy(rows, (row) =>
    JSON.stringify([row.dataset, armKey(row, BESIDE_WEIGHT), byModel ? row.model : null]),
  );
  const results = [...groups.values()].map((group) => mapOf(group, byModel));
  return {
    maps: results.flatMap((result) => (typeof result === "string" ? [] : [result])),
    summary: results.map((result) => (typeof result === "string" ? result : result.summary)).join("\n"),
  };
}

const completionWeightOf = ({ completionWeight = 1 }: Score): number => completionWeight;

/** @returns the map, or the reason why there is none */
function mapOf(rows: readonly Score[], byModel: boolean): WeightMap | string {
  const [{ dataset, model, normalizer, partWeights, variant }] = rows;
  const names = { dataset, ...armFactors({ normalizer, partWeights, variant }), ...(byModel && { model }) };
  const ascending = (values: number[]) => distinct(values).sort((a, b) => a - b);
  const plws = ascending(rows.map(({ plw }) => plw));
  const completionWeights = ascending(rows.map(completionWeightOf));
  const pairs = completionWeights.flatMap((completionWeight) => plws.map((plw) => ({ plw, completionWeight })));
  const present = completePairs(rows);
  const kept = pairs.filter((pair) => present.has(pairKey(pair)));
  if (kept.length === 0)
    return `${subjectOf(names)}: no map, since no pair has a score of every benchmark, model and seed; train or score what is missing.`;
  const units = unitsOf(rows, kept);
  if (units.length === 0) return `${subjectOf(names)}: no map, since no benchmark has different scores.`;
  const scores = average(units);
  const best = bestOf(scores, kept);
  const resampled = units.length < 2 ? [] : resample(units, kept, JSON.stringify(names));
  const optimum = optimumOf(best, { kept, scores, resampled });
  const assessment = assess(doubts(optimum, { plws, completionWeights, benchmarks: units.length }));
  const found = { ...names, optimum, ...assessment };
  return {
    ...found,
    plws,
    completionWeights,
    cells: pairs.map((pair) => ({ ...pair, score: scores[kept.indexOf(pair)] ?? null })),
    benchmarks: units.length,
    summary: describe(found, pairs.length - kept.length),
  };
}

type Pair = Pick<WeightCell, "plw" | "completionWeight">;

const pairKey = ({ plw, completionWeight }: Pair): string => JSON.stringify([plw, completionWeight]);
const pairOf = (row: Score): string => pairKey({ plw: row.plw, completionWeight: completionWeightOf(row) });

/** Keys of the pairs that have a score of every benchmark, model and seed that any pair has. */
function completePairs(rows: readonly Score[]): Set<string> {
  const scoresIn = (group: readonly Score[]) =>
    distinct(group.map(({ benchmark, model, seed }) => JSON.stringify([benchmark, model, seed]))).length;
  const all = scoresIn(rows);
  const groups = [...groupBy(rows, pairOf)];
  return new Set(groups.filter(([, group]) => scoresIn(group) === all).map(([key]) => key));
}

/** For each benchmark with different scores, the mean relative score of each pair. */
function unitsOf(rows: readonly Score[], pairs: readonly Pair[]): number[][] {
  const wanted = new Set(pairs.map(pairKey));
  const shown = rows.filter((row) => wanted.has(pairOf(row)));
  return [...groupBy(shown, ({ benchmark }) => benchmark).values()].flatMap((ofBenchmark) => {
    const scaled = minMaxScale(ofBenchmark.map(({ score }) => score));
    if (!scaled) return [];
    const byPair = groupBy(ofBenchmark, pairOf);
    const scoresOf = (pair: Pair) => (byPair.get(pairKey(pair)) ?? []).map(({ score }) => scaled.scale(score));
    return [pairs.map((pair) => mean(scoresOf(pair)))];
  });
}

const average = (units: readonly (readonly number[])[]): number[] =>
  units[0].map((_, i) => mean(units.map((unit) => unit[i])));

/** A selected pair, by its index, with the scores of all and the indexes of all that are tied with it. */
interface Choice {
  index: number;
  tied: number[];
  score: number;
}

function bestOf(scores: readonly number[], pairs: readonly Pair[]): Choice {
  const highest = Math.max(...scores);
  const tied = scores.flatMap((score, i) => (score >= highest - TIE ? [i] : []));
  const fromOne = (i: number): number => Math.abs(Math.log(pairs[i].completionWeight));
  const [index] = [...tied].sort((a, b) => pairs[a].plw - pairs[b].plw || fromOne(a) - fromOne(b));
  return { index, tied, score: scores[index] };
}

/** Draws benchmarks with replacement, and selects the best pair in each resample. */
function resample(units: readonly (readonly number[])[], pairs: readonly Pair[], name: string): Choice[] {
  const random = seededRandom("weight map", name);
  return Array.from({ length: RESAMPLES }, () =>
    bestOf(average(units.map(() => units[Math.floor(random() * units.length)])), pairs),
  );
}

function optimumOf(
  { index, score }: Choice,
  { kept, scores, resampled }: { kept: readonly Pair[]; scores: readonly number[]; resampled: readonly Choice[] },
): WeightOptimum {
  const limits = (of: (pair: Pair) => number) => {
    const values = resampled.map(({ tied }) => tied.map((i) => of(kept[i])));
    return intervalOf(
      values.map((tied) => Math.min(...tied)),
      values.map((tied) => Math.max(...tied)),
    );
  };
  const [prompt, completion] = [limits(({ plw }) => plw), limits(({ completionWeight }) => completionWeight)];
  return {
    plw: kept[index].plw,
    plwLow: prompt.low,
    plwHigh: prompt.high,
    completionWeight: kept[index].completionWeight,
    completionWeightLow: completion.low,
    completionWeightHigh: completion.high,
    score,
    optimism: resampled.length === 0 ? null : mean(resampled.map((choice) => choice.score - scores[choice.index])),
  };
}

function doubts(
  optimum: WeightOptimum,
  { plws, completionWeights, benchmarks }: Pick<WeightMap, "plws" | "completionWeights" | "benchmarks">,
): Doubt[] {
  const grave = (reason: string): Doubt => ({ trust: "not to be trusted", reason });
  const light = (reason: string): Doubt => ({ trust: "with care", reason });
  const covers = (tried: readonly number[], low: number | null, high: number | null) =>
    low === tried[0] && high === tried[tried.length - 1];
  const end = (name: string, tried: readonly number[], best: number): Doubt[] =>
    best === tried[0] || best === tried[tried.length - 1]
      ? [light(`the best ${name} is the ${best === tried[0] ? "lowest" : "highest"} that was tried`)]
      : [];
  return [
    ...(benchmarks < 2 ? [grave("there is only one benchmark")] : []),
    ...(benchmarks >= 2 && benchmarks < FEW_BENCHMARKS
      ? [light(`there are only ${benchmarks} benchmarks to resample`)]
      : []),
    ...(covers(plws, optimum.plwLow, optimum.plwHigh) ? [grave("the interval of the best PLW covers all PLWs")] : []),
    ...(covers(completionWeights, optimum.completionWeightLow, optimum.completionWeightHigh)
      ? [grave("the interval of the best λr covers all λr")]
      : []),
    ...end("PLW", plws, optimum.plw),
    ...end("λr", completionWeights, optimum.completionWeight),
  ];
}

function subjectOf({
  dataset,
  model,
  ...arm
}: Pick<WeightMap, "dataset" | "model" | keyof Omit<ArmFactors, "completionWeight">>): string {
  const named = BESIDE_WEIGHT.filter((factor) => arm[factor] !== undefined).map((factor) => armName(arm, [factor]));
  return [dataset, ...named, ...(model === undefined ? [] : [model])].join(", ");
}

/** @param missing number of pairs without scores */
function describe(
  found: Omit<WeightMap, "plws" | "completionWeights" | "cells" | "benchmarks" | "summary">,
  missing: number,
): string {
  const { plw, plwLow, plwHigh, completionWeight, completionWeightLow, completionWeightHigh } = found.optimum;
  const interval = (low: number | null, high: number | null) =>
    low === null || high === null ? "" : ` [${plwLabel(low)}, ${plwLabel(high)}]`;
  const statement =
    `the best pair of weights is PLW ${plwLabel(plw)}${interval(plwLow, plwHigh)} and λr ` +
    `${plwLabel(completionWeight)}${interval(completionWeightLow, completionWeightHigh)}.`;
  const without =
    missing === 0
      ? ""
      : ` ${missing} ${missing === 1 ? "pair lacks scores and is" : "pairs lack scores and are"} left out.`;
  return `${subjectOf(found)}: ${withDoubts(found, statement)}${without}`;
}
