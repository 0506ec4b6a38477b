import { groupBy, mean } from "../data/group";
import { meanWithError, type ScoreRow } from "./score-rows";

export type BestPlwRow = {
  benchmark: string;
  dataset: string;
  group: string | null;
  /** the weight with the highest score, averaged over models and seeds; of equals the smallest */
  bestPlw: number;
  best: number;
  /** score at PLW 0; null without such runs */
  atZero: number | null;
  /** best minus at zero: never below 0, since the best is chosen from the same scores */
  difference: number | null;
  /** of the difference, both scores taken as independent: over seeds where there are several, else over items */
  standardError: number | null;
};

/** For each benchmark and data set the best weight, and PLW 0 against it. */
export function bestPlws(rows: readonly ScoreRow[]): BestPlwRow[] {
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

export type ModelRow = {
  benchmark: string;
  dataset: string;
  model: string;
  against: string;
  /** mean over weights and seeds, in points */
  difference: number;
  /** pairs of runs that differ in the model only */
  pairs: number;
  /** of them, how many are won; ties count half */
  won: number;
};

/** Each later model against the first, in the order of the rows: by benchmark and data set, runs paired by weight, seed and normalizer. */
export function compareModels(rows: readonly ScoreRow[]): ModelRow[] {
  const groups = groupBy(rows, ({ benchmark, dataset }) => JSON.stringify([benchmark, dataset]));
  return [...groups.values()].flatMap((group) => {
    const [first, ...others] = groupBy(group, ({ model }) => model).entries();
    return others
      .map(([model, own]): ModelRow => {
        const differences = pairs(first[1], own);
        return {
          benchmark: own[0].benchmark,
          dataset: own[0].dataset,
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

function pairs(first: readonly ScoreRow[], second: readonly ScoreRow[]): number[] {
  const key = ({ plw, seed, normalizer }: ScoreRow) => JSON.stringify([plw, seed, normalizer]);
  const scores = new Map(first.map((row) => [key(row), row.score]));
  return second.flatMap((row) => (scores.has(key(row)) ? [row.score - scores.get(key(row))!] : []));
}
