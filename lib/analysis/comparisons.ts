import { checkRowsOf } from "./row-schemas";
import { groupBy, mean } from "../data/group";
import { inEachArm } from "./in-each-arm";
import { meanWithError, type ScoreRow } from "./score-rows";

/** Best PLW of one benchmark on one data set, compared with PLW 0. Scores are in points, 0 to 100. */
export type BestPlwRow = {
  /** normalizer, weights beside the PLW, and variant; absent if there is a single arm */
  arm?: string;
  benchmark: string;
  dataset: string;
  group: string | null;
  /** PLW with the highest mean score over models and seeds; the smallest one of ties */
  bestPlw: number;
  /** mean score at this PLW */
  best: number;
  /** mean score at PLW 0; null without such runs */
  atZero: number | null;
  /** best − atZero; never negative, since the best PLW is selected on the same scores */
  difference: number | null;
  /** of the difference, treating both scores as independent: over seeds if there are several, else over items */
  standardError: number | null;
};

/** Finds the best PLW for each arm, benchmark and data set, and compares it with PLW 0. */
export function bestPlws(rows: readonly ScoreRow[]): BestPlwRow[] {
  checkRowsOf("bestPlws", "score", rows);
  return inEachArm(rows, bestInArm);
}

function bestInArm(rows: readonly ScoreRow[]): BestPlwRow[] {
  const groups = groupBy(rows, ({ benchmark, dataset }) => JSON.stringify([benchmark, dataset]));
  return [...groups.values()].map((group): BestPlwRow => {
    const cells = [...groupBy(group, ({ plw }) => String(plw)).values()]
      .map((cell) => {
        const { mean: score, standardError: error } = meanWithError(
          cell.map((row) => ({ seed: row.seed, value: row.score, error: row.standardError })),
        );
        return { plw: cell[0].plw, score, error };
      })
      .sort((a, b) => b.score - a.score || a.plw - b.plw);
    const [best] = cells;
    const zero = cells.find(({ plw }) => plw === 0);
    const errors = zero && best !== zero ? [best.error, zero.error] : [0, 0];
    return {
      benchmark: group[0].benchmark,
      dataset: group[0].dataset,
      group: group[0].group,
      bestPlw: best.plw,
      best: best.score,
      atZero: zero?.score ?? null,
      difference: zero ? best.score - zero.score : null,
      standardError: zero && !errors.includes(null) ? Math.hypot(errors[0]!, errors[1]!) : null,
    };
  });
}

/** Paired comparison of two models on one benchmark and data set. */
export type ModelRow = {
  /** normalizer, weights beside the PLW, and variant; absent if there is a single arm */
  arm?: string;
  benchmark: string;
  dataset: string;
  model: string;
  /** the model it is compared with */
  against: string;
  /** mean score difference, `model` minus `against`, over PLWs and seeds, in points */
  difference: number;
  /** number of pairs of runs that differ only in the model */
  pairs: number;
  /** number of pairs in which `model` scores higher; ties count half */
  won: number;
};

/**
 * Compares each further model with the first one, in the order of the rows, for each arm, benchmark and data set. Runs
 * are paired by PLW and seed within an arm, that is also by normalizer and variant; comparisons without pairs are
 * omitted.
 */
export function compareModels(rows: readonly ScoreRow[]): ModelRow[] {
  checkRowsOf("compareModels", "score", rows);
  return inEachArm(rows, compareInArm);
}

function compareInArm(rows: readonly ScoreRow[]): ModelRow[] {
  const groups = groupBy(rows, ({ benchmark, dataset }) => JSON.stringify([benchmark, dataset]));
  return [...groups.values()].flatMap((group) => {
    const [first, ...others] = groupBy(group, ({ model }) => model).entries();
    return others
      .map(([model, modelRows]): ModelRow => {
        const differences = pairedDifferences(first[1], modelRows);
        return {
          benchmark: group[0].benchmark,
          dataset: group[0].dataset,
          model,
          against: first[0],
          difference: mean(differences),
          pairs: differences.length,
          won:
            differences.filter((difference) => difference > 0).length +
            differences.filter((difference) => difference === 0).length / 2,
        };
      })
      .filter(({ pairs }) => pairs > 0);
  });
}

/** Score differences, second minus first, of runs of one arm with the same PLW and seed. */
function pairedDifferences(first: readonly ScoreRow[], second: readonly ScoreRow[]): number[] {
  const key = ({ plw, seed }: ScoreRow) => JSON.stringify([plw, seed]);
  const scores = new Map(first.map((row) => [key(row), row.score]));
  return second.flatMap((row) => (scores.has(key(row)) ? [row.score - scores.get(key(row))!] : []));
}
