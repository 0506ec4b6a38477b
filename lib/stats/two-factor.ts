import { text } from "../data/validate";
import { checkOptions, checkRows } from "../data/arguments";
import { fUpper } from "./distributions";
import { fitGam } from "./gam/fit";
import { categoryColumn, type DataRow } from "./data-rows";
import { StatisticsError } from "../data/errors";

/** One source of variation of a two-factor model, with its F test. */
export type Variation = {
  /** a factor's column, "a × b" for the interaction, or "rest" for the residuals */
  source: string;
  df: number;
  sumOfSquares: number;
  /** of the sum of squares within blocks; shares add up to 1 if every cell has equally many rows */
  share: number;
  /** null for the residuals */
  f: number | null;
  /** null for the residuals */
  p: number | null;
};

/** Residual sum of squares and degrees of freedom of a fitted model. */
interface Residuals {
  rss: number;
  df: number;
}

/**
 * Two-way analysis of variance with blocks: `response ~ factor(block) + factor(a) * factor(b)`, fitted by least
 * squares. Type II sums of squares, as `anova_lm(typ=2)` of statsmodels and `car::Anova`: each factor is tested given
 * the other one, the interaction given both.
 *
 * @param rows finite response; at least two levels of `a` and of `b`, and at least one row for every pair of levels
 * @param columns names of the columns; without `block`, or with a single block, there is no block effect
 * @returns variation of `a`, of `b`, of their interaction and of the residuals, in this order
 * @throws {StatisticsError} if the model cannot be fitted or has no residual degrees of freedom; says what is missing
 */
export function twoFactors(
  rows: readonly DataRow[],
  columns: { response: string; a: string; b: string; block?: string },
): Variation[] {
  const { response, a, b, block } = checkOptions(
    "twoFactors",
    columns,
    { response: text, a: text, b: text, block: text },
    { needed: ["response", "a", "b"], ErrorClass: StatisticsError },
  );
  checkRows("twoFactors", rows, {});
  const [first, second] = [categoryColumn(rows, a), categoryColumn(rows, b)];
  const cells = rows.map((row, i) => ({ ...row, cell: JSON.stringify([first[i], second[i]]) }));
  const blocks = block !== undefined && new Set(categoryColumn(rows, block)).size > 1 ? [`factor(\`${block}\`)`] : [];
  const fit = (...terms: string[]): Residuals => {
    const { scale, edf } = fitGam(cells, { formula: `\`${response}\` ~ ${[...blocks, ...terms].join(" + ") || "1"}` });
    const df = rows.length - Math.round(edf);
    return { rss: scale * df, df };
  };
  const [factorA, factorB] = [`factor(\`${a}\`)`, `factor(\`${b}\`)`];
  const blocksOnly = fit();
  const withA = fit(factorA);
  const withB = fit(factorB);
  const withBoth = fit(factorA, factorB);
  const full = fit("factor(cell)");
  if (full.df < 1)
    throw new StatisticsError(
      `twoFactors: ${rows.length} rows leave no residual degrees of freedom to test the effects. Add seeds or models.`,
    );
  const compare = (source: string, smaller: Residuals, larger: Residuals): Variation => {
    const df = smaller.df - larger.df;
    const sumOfSquares = smaller.rss - larger.rss;
    const f = df > 0 ? sumOfSquares / df / (full.rss / full.df) : null;
    const p = f === null ? null : fUpper(f, df, full.df);
    return { source, df, sumOfSquares, share: sumOfSquares / blocksOnly.rss, f, p };
  };
  return [
    compare(a, withB, withBoth),
    compare(b, withA, withBoth),
    compare(`${a} × ${b}`, withBoth, full),
    { source: "rest", df: full.df, sumOfSquares: full.rss, share: full.rss / blocksOnly.rss, f: null, p: null },
  ];
}
