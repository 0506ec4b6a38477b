// The best PLW where the learning rate varies, too: a PLW that rescales the loss also rescales the step.
import { armFactors, armKey, armName } from "./arms";
import { FEW_BENCHMARKS, intervalOf, RESAMPLES, TIE } from "./bootstrap";
import { anObject, checkOptions, checkValue, flag } from "../data/arguments";
import { checkRuns } from "../runs/check-runs";
import { checkRowsOf } from "./row-schemas";
import { StatisticsError } from "../data/errors";
import { distinct, groupBy, mean } from "../data/group";
import { plwLabel, transformWeight } from "../data/prompt-loss-weight";
import { seededRandom } from "../data/random";
import type { Run } from "../runs/store";
import { assess, withDoubts, type Assessment, type Doubt } from "./assessment";
import type { Score } from "./read-scores";
import { ONLY_VARIANT } from "./run-rows";
import { minMaxScale } from "./score-rows";

/**
 * Collects the learning rate of each variant.
 *
 * @param options `allowOthers`: accepts variants that differ in more than the learning rate; default false
 * @returns learning rate by name of the variant
 * @throws {StatisticsError} if a variant has several learning rates, or, without `allowOthers`, if variants with
 *   different learning rates differ in other hyperparameters, too, which the message names
 */
export function learningRates(runs: readonly Run[], options: { allowOthers?: boolean } = {}): Record<string, number> {
  const { allowOthers = false } = checkOptions("learningRates", options, { allowOthers: flag });
  checkRuns("learningRates", runs);
  const rates = ratesOf(runs, allowOthers);
  if (typeof rates === "string") throw new StatisticsError(`learningRates: ${rates}`);
  return rates;
}

/** @returns learning rate by name of the variant, or what is wrong with the variants, in sentences */
function ratesOf(runs: readonly Run[], allowOthers: boolean): Record<string, number> | string {
  const sets = runs.map(({ recipe: { variant = ONLY_VARIANT, hyperparameters } }) => ({ variant, hyperparameters }));
  const rates = new Map<string, number>();
  for (const { variant, hyperparameters } of sets) {
    const known = rates.get(variant) ?? hyperparameters.learningRate;
    if (known !== hyperparameters.learningRate)
      return (
        `the runs of variant "${variant}" have learning rates ${known} and ${hyperparameters.learningRate}. ` +
        "Give each its own variant in the study."
      );
    rates.set(variant, known);
  }
  const names = distinct(sets.flatMap(({ hyperparameters }) => Object.keys(hyperparameters)));
  const differing = names.filter(
    (name) =>
      name !== "learningRate" &&
      distinct(sets.map(({ hyperparameters }) => JSON.stringify((hyperparameters as object)[name as never]))).length >
        1,
  );
  if (differing.length > 0 && distinct([...rates.values()]).length > 1 && !allowOthers)
    return (
      `the variants ${[...rates.keys()].map((name) => `"${name}"`).join(", ")} differ in ${differing.join(", ")}, too, ` +
      "so their scores would not show the effect of the learning rate alone. " +
      "Leave the others out of the runs, or pass { allowOthers: true }."
    );
  return Object.fromEntries(rates);
}

/** Mean relative score at one learning rate and PLW. */
export type LearningRatePoint = {
  learningRate: number;
  plw: number;
  /** 0 to 1: mean over benchmarks, models and seeds */
  score: number;
  /** true for the best learning rate of this PLW: these points are the envelope of the curves */
  best: boolean;
};

/** Best PLW of one curve. The limits are those of its 95 % interval; null if there are fewer than two benchmarks. */
export type PlwOptimum = {
  dataset: string;
  /** absent for scores of unknown normalizer */
  normalizer?: string;
  /** λr; absent: 1 */
  completionWeight?: number;
  /** weights of parts; absent: none */
  partWeights?: string;
  /** absent if models are averaged */
  model?: string;
  /** "learning rate 1e-4", or "best learning rate" for the envelope: each PLW at its own best learning rate */
  curve: string;
  /** of the best PLW */
  learningRate: number;
  plw: number;
  low: number | null;
  high: number | null;
  /** mean relative score of the best PLW, 0 to 1 */
  score: number;
  /**
   * by how much `score` is too high because the best of several was selected by the same scores: the mean over resamples
   * of the selected point's score in the resample, minus its score in the data; null with one benchmark
   */
  optimism: number | null;
};

/** How the best PLW depends on the learning rate, on one data set. */
export interface LearningRateComparison extends Assessment {
  dataset: string;
  normalizer?: string;
  /** λr; absent: 1 */
  completionWeight?: number;
  /** weights of parts; absent: none */
  partWeights?: string;
  model?: string;
  points: LearningRatePoint[];
  /** one per learning rate, ascending, followed by that of the envelope */
  optima: PlwOptimum[];
  /** number of benchmarks, the resampled units */
  benchmarks: number;
  /**
   * "yes": the best PLW differs between two learning rates beyond the noise; "no": it is the same at all of them in at
   * least 95 % of resamples; else "open"
   */
  confounded: "yes" | "no" | "open";
  /** one or two sentences, led by the reasons to doubt them */
  summary: string;
}

/** The factors of an arm beside the variant, which has the learning rate. */
const BESIDE_RATE = ["normalizer", "completionWeight", "partWeights"] as const;

/** A score with the learning rate of its run. */
type RatedScore = Score & { learningRate: number };

/**
 * Compares how scores depend on the PLW at several learning rates. If the normalizer lets the PLW rescale the loss, it
 * also rescales the gradient, so a PLW may only seem best because the one learning rate of a study suits it. Two answers
 * are given for each data set, normalizer and set of other weights: the best PLW at each learning rate, and the best PLW if each has its own
 * best learning rate.
 *
 * Scores are min-max scaled within data set, normalizer and benchmark over all learning rates, PLWs, models and seeds
 * together, so that learning rates can be compared; a learning rate at which training fails moves all others up. The
 * statistic is the mean over models and seeds, then over benchmarks. Intervals are 95 % percentile bootstrap intervals
 * over benchmarks (2,000 resamples, seeded), so they generalize to other benchmarks, not to other models or seeds; both
 * selections, of the learning rate and of the PLW, are repeated in each resample. Of tied PLWs the smallest counts as
 * best, and an interval includes all of them, so that it covers all PLWs where they make no difference. Benchmarks
 * without the same number of scores in every combination of learning rate and PLW, or whose scores are all equal, are
 * left out, and the summary names them.
 *
 * @param rows scores, from `scoreRows` or `readScores`
 * @param rates learning rate by variant, from {@link learningRates}; rows of other variants are left out
 * @param options `byModel`: one comparison per model, with scores scaled within it; default: models are averaged
 * @returns `comparisons`: one per data set and normalizer, in the order of first appearance; `summary`: theirs, one per
 *   line, with what is left out, or how to get learning rates to compare
 */
export function compareLearningRates(
  rows: readonly Score[],
  rates: Readonly<Record<string, number>>,
  options: { byModel?: boolean } = {},
): { comparisons: LearningRateComparison[]; summary: string } {
  const { byModel = false } = checkOptions("compareLearningRates", options, { byModel: flag });
  checkRowsOf("compareLearningRates", "score", rows);
  checkValue("compareLearningRates: rates", rates, anObject);
  const rated = rows.flatMap((row): RatedScore[] => {
    const variant = row.variant ?? ONLY_VARIANT;
    return Object.hasOwn(rates, variant) ? [{ ...row, learningRate: rates[variant] }] : [];
  });
  const several = distinct(rated.map(({ learningRate }) => learningRate));
  if (several.length < 2)
    return {
      comparisons: [],
      summary:
        `The scores have ${several.length === 1 ? `one learning rate (${learningRateLabel(several[0])})` : "no learning rate"}, ` +
        'so there is nothing to compare. Add "variants" to the study file, for example ' +
        '"variants": { "lr 1e-4": { "learningRate": 1e-4 }, "lr 1e-3": { "learningRate": 1e-3 } }.',
    };
  const groups = groupBy(rated, (row) =>
    JSON.stringify([row.dataset, armKey(row, BESIDE_RATE), byModel ? row.model : null]),
  );
  const results = [...groups.values()].map((group) => compareGroup(group, byModel));
  const others = distinct(rows.map(({ variant = ONLY_VARIANT }) => variant)).filter(
    (name) => !Object.hasOwn(rates, name),
  );
  return {
    comparisons: results.flatMap((result) => (typeof result === "string" ? [] : [result])),
    summary: [
      ...results.map((result) => (typeof result === "string" ? result : result.summary)),
      ...(others.length > 0
        ? [`Left out, since their learning rate is not given: variants ${others.join(", ")}.`]
        : []),
    ].join("\n"),
  };
}

/**
 * Compares the learning rates of a study's runs, see {@link compareLearningRates}. If one group of variants differs in
 * nothing but the learning rate, such as those of full fine-tuning, the others are left out, and the summary names them.
 *
 * @param rows scores of the runs, from `scoreRows`
 * @param options those of {@link learningRates} and {@link compareLearningRates}
 * @returns no comparisons, and the reason as summary, if {@link learningRates} refuses the runs
 */
export function compareStudyLearningRates(
  rows: readonly Score[],
  runs: readonly Run[],
  options: { allowOthers?: boolean; byModel?: boolean } = {},
): ReturnType<typeof compareLearningRates> {
  const { allowOthers = false, byModel } = checkOptions("compareStudyLearningRates", options, {
    allowOthers: flag,
    byModel: flag,
  });
  checkRuns("compareStudyLearningRates", runs);
  const rates = ratesOf(allowOthers ? runs : alikeButForRate(runs), allowOthers);
  if (typeof rates === "string") return { comparisons: [], summary: `Learning rates cannot be compared: ${rates}` };
  return compareLearningRates(rows, rates, { byModel });
}

/** The runs that differ from each other in nothing but the learning rate, if there is one such group; else all runs. */
function alikeButForRate(runs: readonly Run[]): readonly Run[] {
  const groups = groupBy(runs, ({ recipe: { hyperparameters } }) =>
    JSON.stringify({ ...hyperparameters, learningRate: undefined }),
  );
  const several = [...groups.values()].filter(
    (group) => distinct(group.map(({ recipe }) => recipe.hyperparameters.learningRate)).length > 1,
  );
  return several.length === 1 ? several[0] : runs;
}

/** Lists the optima of all comparisons, for display. */
export function plwOptima(comparisons: readonly LearningRateComparison[]): PlwOptimum[] {
  checkRowsOf("plwOptima", "comparison", comparisons);
  return comparisons.flatMap(({ optima }) => optima);
}

/** Formats a learning rate, for example "1e-4". */
export function learningRateLabel(rate: number): string {
  return Number(rate.toPrecision(3)).toExponential();
}

// ---------------------------------------------------------------- one data set

/** A selected combination of learning rate and PLW, as indices, with its score. */
interface Choice {
  rate: number;
  /** the smallest of the tied PLWs */
  plw: number;
  /** the largest of them */
  lastPlw: number;
  score: number;
}

/** Mean relative scores, learning rates × PLWs. */
type Scores = number[][];

/** @returns the comparison, or the reason why there is none */
function compareGroup(rows: readonly RatedScore[], byModel: boolean): LearningRateComparison | string {
  const [{ dataset, normalizer, completionWeight, partWeights, model }] = rows;
  const names = {
    dataset,
    ...armFactors({ normalizer, completionWeight, partWeights }),
    ...(byModel && { model }),
  };
  const rates = distinct(rows.map(({ learningRate }) => learningRate)).sort((a, b) => a - b);
  const plws = distinct(rows.map(({ plw }) => plw)).sort((a, b) => a - b);
  if (rates.length < 2 || plws.length < 2)
    return `${subjectOf(names)}: no comparison, since there are fewer than two learning rates or PLWs.`;
  const tables = [...groupBy(rows, ({ benchmark }) => benchmark)].map(([benchmark, ofBenchmark]) => ({
    benchmark,
    scores: relativeScores(ofBenchmark, rates, plws),
  }));
  const units = tables.flatMap(({ scores }) => (scores ? [scores] : []));
  if (units.length === 0)
    return (
      `${subjectOf(names)}: no comparison, since no benchmark has different scores in every combination of learning ` +
      "rate and PLW."
    );
  const leftOut = tables.filter(({ scores }) => !scores).map(({ benchmark }) => benchmark);
  const averages = averageScores(units);
  const chosen = choose(averages);
  const resampled = units.length < 2 ? [] : resample(units, JSON.stringify(names));
  const optima = chosen.map((choice, i): PlwOptimum => {
    const selected = resampled.map((choices) => choices[i]);
    return {
      ...names,
      curve: i < rates.length ? `learning rate ${learningRateLabel(rates[i])}` : "best learning rate",
      learningRate: rates[choice.rate],
      plw: plws[choice.plw],
      ...intervalOf(
        selected.map(({ plw }) => plws[plw]),
        selected.map(({ lastPlw }) => plws[lastPlw]),
      ),
      score: choice.score,
      optimism: optimismOf(selected, averages),
    };
  });
  const confounded = confounding(
    resampled.map((choices) => choices.slice(0, -1)),
    plws.map(transformWeight),
  );
  const assessment = assess(doubtOptimum(optima[optima.length - 1], { rates, plws, benchmarks: units.length }));
  const found = { ...names, optima, benchmarks: units.length, confounded, ...assessment };
  return {
    ...found,
    points: rates.flatMap((learningRate, i) =>
      plws.map((plw, j) => ({ learningRate, plw, score: averages[i][j], best: bestRate(averages, j) === i })),
    ),
    summary: describe(found, leftOut),
  };
}

function subjectOf({
  dataset,
  model,
  ...arm
}: Pick<LearningRateComparison, "dataset" | "normalizer" | "completionWeight" | "partWeights" | "model">): string {
  const named = BESIDE_RATE.filter((factor) => arm[factor] !== undefined).map((factor) => armName(arm, [factor]));
  return [dataset, ...named, ...(model === undefined ? [] : [model])].join(", ");
}

/** @returns the mean relative scores of one benchmark; null if some are missing, or all are equal */
function relativeScores(rows: readonly RatedScore[], rates: readonly number[], plws: readonly number[]): Scores | null {
  const scaled = minMaxScale(rows.map(({ score }) => score));
  const cells = groupBy(rows, ({ learningRate, plw }) => JSON.stringify([learningRate, plw]));
  const sizes = distinct([...cells.values()].map(({ length }) => length));
  if (!scaled || cells.size < rates.length * plws.length || sizes.length > 1) return null;
  return rates.map((rate) =>
    plws.map((plw) => mean(cells.get(JSON.stringify([rate, plw]))!.map(({ score }) => scaled.scale(score)))),
  );
}

/** @param units scores of each benchmark, at least one */
function averageScores(units: readonly Scores[]): Scores {
  return units[0].map((row, i) => row.map((_, j) => mean(units.map((scores) => scores[i][j]))));
}

/** Selects the best PLW of each learning rate, and then that of the envelope. */
function choose(scores: Scores): Choice[] {
  const rates = scores[0].map((_, plw) => bestRate(scores, plw));
  const envelope = rates.map((rate, plw) => scores[rate][plw]);
  return [...scores.map((row, rate) => bestOf(row, () => rate)), bestOf(envelope, (plw) => rates[plw])];
}

/**
 * Selects the best PLW of one curve.
 *
 * @param scores by PLW
 * @param rateOf learning rate of a PLW on this curve
 */
function bestOf(scores: readonly number[], rateOf: (plw: number) => number): Choice {
  const highest = Math.max(...scores);
  const tied = scores.flatMap((score, plw) => (score >= highest - TIE ? [plw] : []));
  const [plw] = tied;
  return { rate: rateOf(plw), plw, lastPlw: tied[tied.length - 1], score: scores[plw] };
}

/** Index of the best learning rate of a PLW, the smallest of ties. */
function bestRate(scores: Scores, plw: number): number {
  return scores.reduce((best, row, rate) => (row[plw] > scores[best][plw] + TIE ? rate : best), 0);
}

/** Draws benchmarks with replacement, and selects in each resample as {@link choose} does. */
function resample(units: readonly Scores[], name: string): Choice[][] {
  const random = seededRandom("learning rates", name);
  return Array.from({ length: RESAMPLES }, () =>
    choose(averageScores(units.map(() => units[Math.floor(random() * units.length)]))),
  );
}

function optimismOf(resampled: readonly Choice[], scores: Scores): number | null {
  return resampled.length === 0 ? null : mean(resampled.map(({ rate, plw, score }) => score - scores[rate][plw]));
}

/**
 * Decides whether the best PLW differs between learning rates: "yes" if the interval of the difference of two learning
 * rates excludes 0, at a level of 95 % for all pairs together (Bonferroni).
 *
 * @param resampled choice at each learning rate, by resample
 * @param weights transformed PLWs
 */
function confounding(resampled: readonly Choice[][], weights: readonly number[]): "yes" | "no" | "open" {
  if (resampled.length === 0) return "open";
  const isSame = (choices: readonly Choice[]): boolean =>
    distinct(choices.flatMap(({ plw, lastPlw }) => [plw, lastPlw])).length === 1;
  if (resampled.filter(isSame).length >= 0.95 * resampled.length) return "no";
  const pairs = resampled[0].flatMap((_, i) => Array.from({ length: i }, (__, j) => [i, j]));
  const differs = pairs.some(([i, j]) => {
    const { low, high } = intervalOf(
      resampled.map((choices) => weights[choices[i].plw] - weights[choices[j].lastPlw]),
      resampled.map((choices) => weights[choices[i].lastPlw] - weights[choices[j].plw]),
      0.05 / pairs.length,
    );
    return low! > 0 || high! < 0;
  });
  return differs ? "yes" : "open";
}

/** Doubts the optimum of the envelope. */
function doubtOptimum(
  { learningRate, low, high }: PlwOptimum,
  { rates, plws, benchmarks }: { rates: readonly number[]; plws: readonly number[]; benchmarks: number },
): Doubt[] {
  const [lowest, highest] = [rates[0], rates[rates.length - 1]];
  const end = learningRate === lowest ? "lowest" : learningRate === highest ? "highest" : null;
  return [
    ...(benchmarks < 2 ? [{ trust: "not to be trusted" as const, reason: "there is only one benchmark" }] : []),
    ...(benchmarks >= 2 && benchmarks < FEW_BENCHMARKS
      ? [{ trust: "with care" as const, reason: `there are only ${benchmarks} benchmarks to resample` }]
      : []),
    ...(low === plws[0] && high === plws[plws.length - 1]
      ? [{ trust: "not to be trusted" as const, reason: "the interval of the best PLW covers all PLWs" }]
      : []),
    ...(end === null
      ? []
      : [
          {
            trust: "with care" as const,
            reason: `the best learning rate, ${learningRateLabel(learningRate)}, is the ${end} that was tried`,
          },
        ]),
  ];
}

/** @param leftOut names of benchmarks */
function describe(
  found: Omit<LearningRateComparison, "points" | "benchmarks" | "summary" | keyof Assessment> & Assessment,
  leftOut: readonly string[],
): string {
  const { optima, confounded } = found;
  const best = ({ plw, low, high }: PlwOptimum): string =>
    `${plwLabel(plw)}${low === null ? "" : ` [${plwLabel(low)}, ${plwLabel(high!)}]`}`;
  const single = optima.slice(0, -1).map((optimum) => `${best(optimum)} at ${learningRateLabel(optimum.learningRate)}`);
  const envelope = optima[optima.length - 1];
  const statement =
    `the best PLW at each learning rate is ${single.join(", ")}; with each PLW at its own best learning rate it is ` +
    `${best(envelope)} (at ${learningRateLabel(envelope.learningRate)}). ${CONFOUNDED[confounded]}`;
  const without = leftOut.length === 0 ? "" : ` Left out: ${leftOut.join(", ")}.`;
  return `${subjectOf(found)}: ${withDoubts(found, statement)}${without}`;
}

/** What is said about the PLW and the learning rate. */
const CONFOUNDED: Readonly<Record<LearningRateComparison["confounded"], string>> = {
  yes: "Confounded: the best PLW depends on the learning rate.",
  no: "Not confounded: the best PLW is the same at every learning rate.",
  open: "Open: the scores do not show whether the best PLW depends on the learning rate.",
};
