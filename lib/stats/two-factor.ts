import { fUpper } from "./distributions";
import { fitGam } from "./gam/fit";
import { categoryColumn, type DataRow } from "./data-rows";
import { StatisticsError } from "../data/errors";

/** One source of variation of a two-factor model. */
export type Variation = {
  /** a factor's column, "a × b" for the interaction, or "rest" */
  source: string;
  df: number;
  sumOfSquares: number;
  /** of what the blocks leave; the shares add up to 1 where every cell has equally many rows */
  share: number;
  /** null for the rest */
  f: number | null;
  p: number | null;
};

/**
 * Two-way analysis of variance with blocks: `response ~ factor(block) + factor(a) * factor(b)`, least squares. Each factor is
 * tested beside the other one, the interaction beside both (type II sums of squares, as `anova_lm(typ=2)` of statsmodels and `car::Anova`).
 *
 * @param rows columns `a` and `b` with at least two levels each, every pair of which has at least one row; a response that is finite
 * @throws {StatisticsError} where the model cannot be fitted, with what is missing
 */
export function twoFactors(
  rows: readonly DataRow[],
  { response, a, b, block }: { response: string; a: string; b: string; block?: string },
): Variation[] {
  const [first, second] = [categoryColumn(rows, a), categoryColumn(rows, b)];
  const cells = rows.map((row, i) => ({ ...row, cell: JSON.stringify([first[i], second[i]]) }));
  const blocks = block !== undefined && new Set(categoryColumn(rows, block)).size > 1 ? [`factor(\`${block}\`)`] : [];
  const fit = (...terms: string[]) => {
    const { scale, edf } = fitGam(cells, { formula: `\`${response}\` ~ ${[...blocks, ...terms].join(" + ") || "1"}` });
    const df = rows.length - Math.round(edf);
    return { rss: scale * df, df };
  };
  const [factorA, factorB] = [`factor(\`${a}\`)`, `factor(\`${b}\`)`];
  const [none, onlyA, onlyB, both, full] = [
    fit(),
    fit(factorA),
    fit(factorB),
    fit(factorA, factorB),
    fit("factor(cell)"),
  ];
  if (full.df < 1)
    throw new StatisticsError(
      `twoFactors: ${rows.length} rows leave nothing to judge the effects by. Add seeds or models.`,
    );
  const source = (
    name: string,
    without: { rss: number; df: number },
    fitted: { rss: number; df: number },
  ): Variation => {
    const df = without.df - fitted.df;
    const sumOfSquares = without.rss - fitted.rss;
    const f = df > 0 ? sumOfSquares / df / (full.rss / full.df) : null;
    return {
      source: name,
      df,
      sumOfSquares,
      share: sumOfSquares / none.rss,
      f,
      p: f === null ? null : fUpper(f, df, full.df),
    };
  };
  return [
    source(a, onlyB, both),
    source(b, onlyA, both),
    source(`${a} × ${b}`, both, full),
    { source: "rest", df: full.df, sumOfSquares: full.rss, share: full.rss / none.rss, f: null, p: null },
  ];
}
