import { dataFrame } from "./data-frame";
import type { HypothesisTest } from "../analysis/hypothesis";
import { PAPER_TABLE3, table3Rows, type RegressionRow } from "../analysis/table-rows";
import type { Table } from "./table";

/**
 * Builds Table 3, the regression of scores on PLW by data set. The rows of the paper follow for comparison. A data set
 * without a fit has dashes.
 *
 * @param tests one per data set, from `testHypotheses`
 */
export function table3(tests: readonly HypothesisTest[]): Table {
  const rows = [
    ...table3Rows(tests).map((row) => ({ source: "this study", ...row })),
    ...PAPER_TABLE3.map((row) => ({ source: "paper", ...row })),
  ];
  const number = (value: number | null): string => value?.toFixed(3) ?? "-";
  const pValue = ({ p, note }: RegressionRow): string =>
    p === null ? "-" : p < 0.001 || note === "p < 0.001" ? "<0.001" : p.toFixed(3);
  return {
    name: "table3",
    frame: dataFrame(
      rows.map((row) => ({
        Dataset: row.source === "paper" ? `${row.dataset} (paper)` : row.dataset,
        "p-value": pValue(row),
        w_p: number(row.linear),
        "w_p^2": number(row.quadratic),
        "(Int)": number(row.intercept),
        Fit:
          row.linear === null
            ? "none"
            : row.trustworthy
              ? "regular"
              : row.source === "paper"
                ? "warnings"
                : "reduced or with care",
      })),
    ),
    rows,
    caption:
      "Regression of min-max transformed scores on transformed prompt loss weight w_p by training data set: p-value " +
      "of the joint Wald test of both slopes, and coefficients of w_p, w_p^2 and the intercept (Int) on the logit " +
      "scale. If the full model is singular, the reduced model is shown. Rows marked (paper) are as published; the " +
      "first two fits of the paper raised convergence warnings.",
  };
}
