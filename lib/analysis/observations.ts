import { checkRowsOf } from "./row-schemas";
import { distinct, groupBy } from "../data/group";
import { transformWeight } from "../data/prompt-loss-weight";
import { armFactors, armsOf } from "./arms";
import { translationFrom } from "./benchmarks";
import type { Score } from "./read-scores";
import { minMaxScale } from "./score-rows";

/** One score, in the columns of the paper's formulas. */
export type Observation = {
  dataset: string;
  /** absent for scores that were read from a file without this column */
  normalizer?: string;
  /** λr; absent: 1 */
  completionWeight?: number;
  /** weights of parts; absent: none */
  partWeights?: string;
  /** name of the set of hyperparameters; absent for scores that were read from a file without this column */
  variant?: string;
  /** benchmark */
  b: string;
  /** model */
  m: string;
  /** seed */
  s: string;
  /** PLW */
  w: number;
  /** PLW^0.30103 */
  w_p: number;
  /** R_g; null if unknown */
  r: number | null;
  /** type of the benchmark; null if unknown */
  type: Score["type"];
  /** min-max transformed within data set, benchmark and arm: 0 for the lowest, 1 for the highest */
  score: number;
};

/** Scores of one data set and benchmark within an arm whose name is empty if it is the only one. */
interface ScoreGroup {
  arm: string;
  scores: readonly Score[];
}

/**
 * Prepares scores for the analyses of sections 5.2 and 6: min-max scales them within each data set, benchmark and arm.
 * Groups whose scores are all equal cannot be scaled; they are omitted, and `summary` names
 * them.
 *
 * @returns rows of all arms, in the order of the arms' first appearance
 */
export function observations(scores: readonly Score[]): { rows: Observation[]; summary: string } {
  checkRowsOf("observations", "score", scores);
  const arms = armsOf(scores);
  const groups = arms.flatMap(({ name: arm, rows }): ScoreGroup[] =>
    [...groupBy(rows, ({ dataset, benchmark }) => JSON.stringify([dataset, benchmark])).values()].map((group) => ({
      arm,
      scores: group,
    })),
  );
  const constant: ScoreGroup[] = [];
  const rows = groups.flatMap((group): Observation[] => {
    const scaled = minMaxScale(group.scores.map(({ score }) => score));
    if (!scaled) {
      constant.push(group);
      return [];
    }
    return group.scores.map((score) => observation(score, scaled.scale(score.score)));
  });
  const count = groups.length - constant.length;
  const summary =
    `${rows.length} scores in ${count} group${count === 1 ? "" : "s"} of a data set and a benchmark` +
    `${arms.length > 1 ? " in one arm" : ""}, each from 0 (its lowest) to 1 (its highest)` +
    `${describeArms(scores)}.${describeOmitted(constant)}`;
  return { rows, summary };
}

/** @param scaled the min-max transformed score */
function observation(score: Score, scaled: number): Observation {
  const { dataset, benchmark, model, seed = 0, plw, generationRatio, type } = score;
  return {
    dataset,
    ...armFactors(score),
    b: benchmark,
    m: model,
    s: String(seed),
    w: plw,
    w_p: transformWeight(plw),
    r: generationRatio,
    type,
    score: scaled,
  };
}

/** Names the arms, or the normalizer if there is a single one. */
function describeArms(scores: readonly Score[]): string {
  const arms = armsOf(scores).map(({ name }) => name);
  if (arms.length > 1) return `; ${arms.length} arms: ${arms.join(", ")}`;
  const [normalizer] = distinct(scores.map((score) => score.normalizer));
  return normalizer === undefined ? "" : `; normalizer "${normalizer}"`;
}

/** @param constant groups whose scores are all equal */
function describeOmitted(constant: readonly ScoreGroup[]): string {
  if (constant.length === 0) return "";
  const nameOf = ({ arm, scores: [{ dataset }] }: ScoreGroup) => (arm === "" ? dataset : `${dataset} (${arm})`);
  const byName = [...groupBy(constant, nameOf)].map(
    ([name, groups]) => `${name}: ${groups.map(({ scores: [{ benchmark }] }) => benchmark).join(", ")}`,
  );
  return (
    " Left out, since all scores of the group are the same and more items would be needed to tell them apart: " +
    `${byName.join("; ")}.`
  );
}

/**
 * Adds seed as a grouping factor to a formula if the rows have more than one seed.
 *
 * @param term "(1 | s)" for a mixed model, "factor(s)" for an additive one
 * @returns the formula, unchanged for a single seed
 */
export function withSeeds(formula: string, rows: readonly Observation[], term: "(1 | s)" | "factor(s)"): string {
  return new Set(rows.map(({ s }) => s)).size > 1 ? `${formula} + ${term}` : formula;
}

/**
 * Predicates for the benchmark groups of section 6 and appendix B: all, multiple choice, generation except translation.
 */
export const BENCHMARK_GROUPS: Readonly<Record<"All" | "MC" | "Gen", (row: Observation) => boolean>> = {
  All: () => true,
  MC: ({ type }) => type === "MC",
  Gen: ({ type, b }) => (type === "G_S" || type === "G_L") && translationFrom(b) === null,
};

/** Name of a benchmark group. */
export type BenchmarkGroup = keyof typeof BENCHMARK_GROUPS;
