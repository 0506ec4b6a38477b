import { checkRowsOf } from "./row-schemas";
import type { HypothesisTest } from "./hypothesis";

/** The regression of one data set: a row of Table 3. Coefficients are on the logit scale; null without a fit. */
export type RegressionRow = {
  dataset: string;
  /** normalizer, weights beside the PLW, and variant; absent if there is a single arm */
  arm?: string;
  /** of the joint Wald test; null if there is none */
  p: number | null;
  /** coefficient of w_p */
  linear: number | null;
  /** coefficient of w_p² */
  quadratic: number | null;
  intercept: number | null;
  /** true if the fit converged to a regular maximum */
  trustworthy: boolean;
  /** diagnosis if not trustworthy, verdict without a fit, remark on a published row; otherwise empty */
  note: string;
};

/**
 * Table 3 as published. Two of its fits raised convergence warnings. The p of AlpacaDataShort is published as "<0.001":
 * the value here is this upper limit.
 */
export const PAPER_TABLE3: readonly RegressionRow[] = [
  {
    dataset: "AlpacaData",
    p: 0.237,
    linear: 1.185,
    quadratic: -0.917,
    intercept: -0.131,
    trustworthy: false,
    note: "convergence warnings",
  },
  {
    dataset: "AlpacaDataCleaned",
    p: 0.0861,
    linear: 1.238,
    quadratic: -0.812,
    intercept: -0.231,
    trustworthy: false,
    note: "convergence warnings",
  },
  {
    dataset: "AlpacaDataShort",
    p: 0.001,
    linear: 5.59,
    quadratic: -4.284,
    intercept: -1.043,
    trustworthy: true,
    note: "p < 0.001",
  },
];

/**
 * Converts hypothesis tests to rows of Table 3. A singular fit is represented by its reduced model.
 *
 * @param tests with a polynomial in the fixed part of the formula, as in the default one
 */
export function table3Rows(tests: readonly HypothesisTest[]): RegressionRow[] {
  checkRowsOf("table3Rows", "test", tests);
  return tests.map((test): RegressionRow => {
    const { dataset, p, fit, verdict } = test;
    const named = { dataset, ...armColumn(test) };
    if (!fit) return { ...named, p, linear: null, quadratic: null, intercept: null, trustworthy: false, note: verdict };
    const { coefficients, terms } = fit.diagnosis.reduced ?? fit;
    const term = terms.find(({ polynomial }) => polynomial)!;
    const powers = term.polynomial!.basis.monomials;
    const power = (k: number): number =>
      term.columns.reduce((sum, column, j) => sum + powers[j][k] * coefficients[column].estimate, 0);
    const intercept = coefficients.find((coefficient) => coefficient.term === "(Intercept)")?.estimate ?? 0;
    return {
      ...named,
      p,
      linear: power(1),
      quadratic: power(2),
      intercept: intercept + power(0),
      trustworthy: fit.diagnosis.trustworthy,
      note: fit.diagnosis.trustworthy ? "" : fit.diagnosis.messages.join(" "),
    };
  });
}

/** The name of the arm as a column, if there are several arms. */
function armColumn({ arm }: { arm: string }): { arm?: string } {
  return arm === "" ? {} : { arm };
}

/**
 * The critical weight λ of one data set with its confidence set, as PLWs. All numbers are null without a fit; the
 * limits also if the data do not bound λ.
 */
export type CriticalWeightRow = {
  dataset: string;
  /** normalizer, weights beside the PLW, and variant; absent if there is a single arm */
  arm?: string;
  lambda: number | null;
  lower: number | null;
  upper: number | null;
  /** vertex of the fitted curve, on the scale of w_p */
  turnsAt: number | null;
  /** "maximum", "minimum" or "not fitted" */
  shape: string;
  /** name of the confidence set; "as published" for the paper's λ */
  method: string;
};

/** Lists λ of every data set and arm, followed by the paper's λ (§5.2). */
export function criticalWeightRows(tests: readonly HypothesisTest[]): CriticalWeightRow[] {
  checkRowsOf("criticalWeightRows", "test", tests);
  const severalArms = tests.some(({ arm }) => arm !== "");
  return [
    ...tests.map(({ dataset, arm, critical }): CriticalWeightRow => ({
      dataset,
      ...armColumn({ arm }),
      lambda: critical?.lambda.plw ?? null,
      lower: critical?.interval?.lower.plw ?? null,
      upper: critical?.interval?.upper.plw ?? null,
      turnsAt: critical?.vertex ?? null,
      shape: critical?.shape ?? "not fitted",
      method: critical?.method ?? "",
    })),
    {
      dataset: "AlpacaDataShort (paper)",
      ...(severalArms && { arm: "" }),
      lambda: 0.242,
      lower: null,
      upper: null,
      turnsAt: 0.652,
      shape: "maximum",
      method: "as published",
    },
  ];
}

/** Generation ratios of Table 4: 8.0, 7.5, …, 0.5. */
export const TABLE4_RATIOS: readonly number[] = Object.freeze(Array.from({ length: 16 }, (_, k) => 8 - k / 2));

/** One cell of Table 4 as published. */
export interface PublishedWeight {
  plw: number;
  /** marked with "*": the weight hardly affects the predicted score */
  starred: boolean;
}

/** Table 4 as published: one cell per ratio in {@link TABLE4_RATIOS}, by benchmark group. */
export const PAPER_TABLE4: Readonly<Record<"All" | "MC" | "Gen", readonly PublishedWeight[]>> = {
  All: published("1* 1* 1* 1* 1* 1* 0* 0* 1* 1* 1* 1* 0.239 0.183 0.155 0.155"),
  MC: published("1* 1* 1* 1* 1* 1* 1* 1* 1* 1* 1* 1* 1* 0.278 0.183 0.155"),
  Gen: published("0.654 1* 1* 1* 0* 0* 0* 0* 0* 0* 1* 1* 0.679* 0.385* 0.321* 0.292*"),
};

/** @param cells PLWs separated by spaces, starred ones followed by "*" */
function published(cells: string): PublishedWeight[] {
  return cells.split(" ").map((cell) => ({ plw: parseFloat(cell), starred: cell.endsWith("*") }));
}
