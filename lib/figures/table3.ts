import "../model/environment"; // danfojs loads TensorFlow, which reads its settings once
import { DataFrame } from "danfojs-node";
import type { HypothesisTest } from "../analysis/hypothesis";
import { PAPER_TABLE3, table3Rows, type RegressionRow } from "../analysis/table-rows";
import type { Table } from "./table";

/** Table 3, the regression of each data set, with the paper's own rows below. A data set without a fit has dashes. */
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
    frame: new DataFrame(
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
      "Regression of min-max transformed scores on transformed PLW by training data set: p-value of the joint Wald " +
      "test of both slopes, and coefficients of the powers of w_p on the logit scale. If the full model is singular, " +
      "the reduced model is given. The rows of the paper are as published; its first two fits raised " +
      "convergence warnings.",
  };
}
