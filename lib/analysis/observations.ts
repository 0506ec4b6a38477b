import { groupBy } from "../data/group";
import { transformWeight } from "../data/prompt-loss-weight";
import { translationFrom } from "./benchmarks";
import type { Score } from "./read-scores";
import { minMaxScale } from "./score-rows";

/** One score, in the columns of the paper's formulas. */
export type Observation = {
  dataset: string;
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
  /** min-max transformed within data set and benchmark: 0 for the lowest, 1 for the highest */
  score: number;
};

/**
 * Prepares scores for the analyses of sections 5.2 and 6: min-max scales them within each data set and benchmark.
 * Groups whose scores are all equal cannot be scaled; they are omitted, and `summary` names them.
 *
 * @param options.normalizer selects scores; default: that of the first score, if it has one
 */
export function observations(
  scores: readonly Score[],
  options: { normalizer?: string } = {},
): { rows: Observation[]; summary: string } {
  const normalizer = options.normalizer ?? scores[0]?.normalizer;
  const selected = scores.filter((score) => score.normalizer === normalizer);
  const groups = [...groupBy(selected, ({ dataset, benchmark }) => JSON.stringify([dataset, benchmark])).values()];
  const constant: Score[] = [];
  const rows = groups.flatMap((group): Observation[] => {
    const scaled = minMaxScale(group.map(({ score }) => score));
    if (!scaled) {
      constant.push(group[0]);
      return [];
    }
    return group.map(({ dataset, benchmark, model, seed = 0, plw, generationRatio, type, score }) => ({
      dataset,
      b: benchmark,
      m: model,
      s: String(seed),
      w: plw,
      w_p: transformWeight(plw),
      r: generationRatio,
      type,
      score: scaled.scale(score),
    }));
  });
  const count = groups.length - constant.length;
  const summary =
    `${rows.length} scores in ${count} group${count === 1 ? "" : "s"} of a data set and a benchmark, ` +
    "each from 0 (its lowest) to 1 (its highest)" +
    `${normalizer === undefined ? "" : `; normalizer "${normalizer}"`}.${describeOmitted(constant)}`;
  return { rows, summary };
}

/** @param constant one score of each group whose scores are all equal */
function describeOmitted(constant: readonly Score[]): string {
  if (constant.length === 0) return "";
  const byDataset = [...groupBy(constant, ({ dataset }) => dataset)].map(
    ([dataset, scores]) => `${dataset}: ${scores.map(({ benchmark }) => benchmark).join(", ")}`,
  );
  return (
    " Left out, since all scores of the group are the same and more items would be needed to tell them apart: " +
    `${byDataset.join("; ")}.`
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
