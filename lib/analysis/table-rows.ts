import type { HypothesisTest } from "./hypothesis";

/** Table 3: one regression a data set. Coefficients are those of powers of w_p, on the logit scale. */
export type RegressionRow = {
  dataset: string;
  p: number | null;
  linear: number | null;
  quadratic: number | null;
  intercept: number | null;
  /** The fit converged to a regular maximum. */
  trustworthy: boolean;
  note: string;
};

/** Table 3 as published. Two of its fits came with convergence warnings; "<0.001" is an upper limit. */
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

/** Rows of Table 3 from {@link HypothesisTest}s of the default formula. A singular fit's row is its reduced model's. */
export function table3Rows(tests: readonly HypothesisTest[]): RegressionRow[] {
  return tests.map(({ dataset, p, fit, verdict }) => {
    if (!fit) return { dataset, p, linear: null, quadratic: null, intercept: null, trustworthy: false, note: verdict };
    const { coefficients, terms } = fit.diagnosis.reduced ?? fit;
    const term = terms.find(({ polynomial }) => polynomial)!;
    const powers = term.polynomial!.basis.monomials;
    const power = (k: number): number =>
      term.columns.reduce((sum, column, j) => sum + powers[j][k] * coefficients[column].estimate, 0);
    const intercept = coefficients.find((one) => one.term === "(Intercept)")?.estimate ?? 0;
    return {
      dataset,
      p,
      linear: power(1),
      quadratic: power(2),
      intercept: intercept + power(0),
      trustworthy: fit.diagnosis.trustworthy,
      note: fit.diagnosis.trustworthy ? "" : fit.diagnosis.messages.join(" "),
    };
  });
}

/** The critical weight of one data set, and its confidence set; numbers are null where the data do not bound it or nothing could be fitted. */
export type CriticalWeightRow = {
  dataset: string;
  lambda: number | null;
  lower: number | null;
  upper: number | null;
  turnsAt: number | null;
  shape: string;
  method: string;
};

/** λ of every data set, with the paper's (§5.2) below. `turnsAt` is the vertex on the scale of w_p. */
export function criticalWeightRows(tests: readonly HypothesisTest[]): CriticalWeightRow[] {
  return [
    ...tests.map(({ dataset, critical }): CriticalWeightRow => ({
      dataset,
      lambda: critical?.lambda.plw ?? null,
      lower: critical?.interval?.lower.plw ?? null,
      upper: critical?.interval?.upper.plw ?? null,
      turnsAt: critical?.vertex ?? null,
      shape: critical?.shape ?? "not fitted",
      method: critical?.method ?? "",
    })),
    {
      dataset: "AlpacaDataShort (paper)",
      lambda: 0.242,
      lower: null,
      upper: null,
      turnsAt: 0.652,
      shape: "maximum",
      method: "as published",
    },
  ];
}

/** The ratios of Table 4: 8.0, 7.5, …, 0.5. */
export const TABLE4_RATIOS: readonly number[] = Object.freeze(Array.from({ length: 16 }, (_, k) => 8 - k / 2));

/** One cell of Table 4 as published. */
export interface PublishedWeight {
  plw: number;
  starred: boolean;
}

/** Table 4 as published, ratios as in {@link TABLE4_RATIOS}. */
export const PAPER_TABLE4: Readonly<Record<"All" | "MC" | "Gen", readonly PublishedWeight[]>> = {
  All: published("1* 1* 1* 1* 1* 1* 0* 0* 1* 1* 1* 1* 0.239 0.183 0.155 0.155"),
  MC: published("1* 1* 1* 1* 1* 1* 1* 1* 1* 1* 1* 1* 1* 0.278 0.183 0.155"),
  Gen: published("0.654 1* 1* 1* 0* 0* 0* 0* 0* 0* 1* 1* 0.679* 0.385* 0.321* 0.292*"),
};

function published(cells: string): PublishedWeight[] {
  return cells.split(" ").map((cell) => ({ plw: parseFloat(cell), starred: cell.endsWith("*") }));
}
