import { checkRowsOf } from "../analysis/row-schemas";
import { dataFrame } from "./data-frame";
import type { HypothesisTest } from "../analysis/hypothesis";
import { PAPER_TABLE3, table3Rows, type RegressionRow } from "../analysis/table-rows";
import type { Table } from "./table";
import { severalArmsInWords, doubtsInWords } from "./table-captions";

/**
 * Builds Table 3, the regression of scores on PLW by data set and arm. The rows of the paper follow for comparison. A
 * data set without a fit has dashes. With several arms, a column names the arm.
 *
 * @param tests one per arm and data set, from `testHypotheses`
 */
export function table3(tests: readonly HypothesisTest[]): Table {
  checkRowsOf("table3", "test", tests);
  const severalArms = tests.some(({ arm }) => arm !== "");
  const own = table3Rows(tests);
  const published = PAPER_TABLE3.map((row): RegressionRow => ({ ...row, ...(severalArms && { arm: "" }) }));
  const cells = (name: string, row: RegressionRow, fit: string) => ({
    Dataset: name,
    ...(severalArms && { Arm: row.arm }),
    "p-value": pValue(row),
    w_p: number(row.linear),
    "w_p^2": number(row.quadratic),
    "(Int)": number(row.intercept),
    Fit: fit,
  });
  return {
    name: "table3",
    frame: dataFrame([
      ...own.map((row, i) => cells(row.dataset, row, describeFit(row, tests[i]))),
      ...published.map((row) => cells(`${row.dataset} (paper)`, row, row.trustworthy ? "regular" : "warnings")),
    ]),
    rows: [
      ...own.map((row) => ({ source: "this study", ...row })),
      ...published.map((row) => ({ source: "paper", ...row })),
    ],
    caption:
      "Regression of min-max transformed scores on transformed prompt loss weight w_p by training data set: p-value " +
      "of the joint Wald test of both slopes, and coefficients of w_p, w_p^2 and the intercept (Int) on the logit " +
      "scale. If the full model is singular, the reduced model is shown. Rows marked (paper) are as published; the " +
      "first two fits of the paper raised convergence warnings." +
      severalArmsInWords(tests.map(({ arm }) => arm)) +
      doubtsInWords(tests.filter(({ fit }) => fit !== null).map((test) => ({ ...test, name: nameOf(test) }))),
  };
}

function nameOf({ dataset, arm }: HypothesisTest): string {
  return arm === "" ? dataset : `${dataset} (${arm})`;
}

function number(value: number | null): string {
  return value?.toFixed(3) ?? "-";
}

function pValue({ p, note }: RegressionRow): string {
  if (p === null) return "-";
  return p < 0.001 || note === "p < 0.001" ? "<0.001" : p.toFixed(3);
}

function describeFit({ linear, trustworthy }: RegressionRow, { trust }: HypothesisTest): string {
  if (linear === null) return "none";
  if (trust === "not to be trusted") return trust;
  return trustworthy ? "regular" : "reduced or with care";
}
