import { groupBy } from "../data/group";
import { transformWeight } from "../data/prompt-loss-weight";
import { translationFrom } from "./benchmarks";
import type { Score } from "./read-scores";
import { minMaxScale } from "./score-rows";

/** One score in the columns of the paper's formulas. */
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
  w_p: number;
  /** R_g; null where it is not known */
  r: number | null;
  type: Score["type"];
  /** min-max transformed over the data set and benchmark: 0 for the lowest, 1 for the highest */
  score: number;
};

/**
 * Scores as sections 5.2 and 6 analyze them. Groups of a data set and a benchmark whose scores are all the same have no
 * place between 0 and 1: they are left out, and `summary` names them.
 * @param options.normalizer default: the first score's, where scores have one
 */
export function observations(
  scores: readonly Score[],
  options: { normalizer?: string } = {},
): { rows: Observation[]; summary: string } {
  const normalizer = options.normalizer ?? scores[0]?.normalizer;
  const own = scores.filter((score) => score.normalizer === normalizer);
  const groups = [...groupBy(own, ({ dataset, benchmark }) => JSON.stringify([dataset, benchmark])).values()];
  const flat: Score[][] = [];
  const rows = groups.flatMap((group): Observation[] => {
    const scaled = minMaxScale(group.map(({ score }) => score));
    if (!scaled) flat.push(group);
    return !scaled
      ? []
      : group.map(({ dataset, benchmark, model, seed = 0, plw, generationRatio, type, score }) => ({
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
  const byDataset = groupBy(
    flat.map(([first]) => first),
    ({ dataset }) => dataset,
  );
  const left =
    flat.length === 0
      ? ""
      : ` Left out, since all scores of the group are the same and more items would be needed to tell them apart: ${[...byDataset].map(([dataset, own]) => `${dataset}: ${own.map(({ benchmark }) => benchmark).join(", ")}`).join("; ")}.`;
  return {
    rows,
    summary: `${rows.length} scores in ${groups.length - flat.length} group${groups.length - flat.length === 1 ? "" : "s"} of a data set and a benchmark, each from 0 (its lowest) to 1 (its highest)${normalizer === undefined ? "" : `; normalizer "${normalizer}"`}.${left}`,
  };
}

/** The formula with seed as one more grouping factor where there are several: "(1 | s)" in a mixed model, "factor(s)" in an additive one. */
export function withSeeds(formula: string, rows: readonly Observation[], term: "(1 | s)" | "factor(s)"): string {
  return new Set(rows.map(({ s }) => s)).size > 1 ? `${formula} + ${term}` : formula;
}

/** The benchmark groups of section 6 and appendix B: all, multiple choice, generation but translation. */
export const BENCHMARK_GROUPS = {
  All: () => true,
  MC: ({ type }: Observation) => type === "MC",
  Gen: ({ type, b }: Observation) => (type === "G_S" || type === "G_L") && translationFrom(b) === null,
} as const;

export type BenchmarkGroup = keyof typeof BENCHMARK_GROUPS;
