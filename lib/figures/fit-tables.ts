// Tables of regression diagnostics, for notebooks.
import { checkRowsOf } from "../analysis/row-schemas";
import { formatP } from "../stats/p-value";
import type { RatioFit } from "../analysis/ratio-fits";
import type { Row } from "./figure";
import type { DatasetCheck } from "./residual-panels";

/** A residual check of one data set in one arm. */
type ArmCheck = DatasetCheck & { arm?: string };

/**
 * Lists the tests of the scaled residuals (uniformity, dispersion, outliers).
 *
 * @returns one row per data set and arm: test statistics, p values as text, and the summary of the check as the
 *   verdict; with several arms, a column names the arm
 */
export function residualTable(checks: readonly ArmCheck[]): Row[] {
  checkRowsOf("residualTable", "check", checks);
  return checks.map(({ dataset, arm = "", check: { uniformity, dispersion, outliers, simulations, summary } }) => ({
    dataset,
    ...(arm !== "" && { arm }),
    "distance from uniform": uniformity.statistic,
    "p (uniform)": formatP(uniformity.p),
    "spread, seen / simulated": dispersion.ratio,
    "p (spread)": formatP(dispersion.p, 2 / simulations),
    outliers: outliers.count,
    expected: outliers.expected,
    "p (outliers)": formatP(outliers.p),
    verdict: summary,
  }));
}

/**
 * Lists the smooth term and the quality of fit of each arm and benchmark group's additive model.
 *
 * @param fits from `fitRatios`
 * @returns one row per fit, with a column for the arm if there are several: number of scores, effective degrees of freedom, F and p of the smooth term, share of the
 *   deviance explained (0 to 1) and scale; null, and "not fitted" as p, if the model could not be fitted
 */
export function ratioFitRows(fits: readonly RatioFit[]): Row[] {
  checkRowsOf("ratioFitRows", "ratioFit", fits);
  return fits.map(({ group, arm, rows, fit }) => {
    const smooth = fit?.smooths[0];
    return {
      ...(arm !== "" && { arm }),
      group,
      scores: rows.length,
      edf: smooth?.edf ?? null,
      F: smooth?.statistic ?? null,
      p: smooth ? formatP(smooth.p) : "not fitted",
      "deviance explained": fit?.devianceExplained ?? null,
      scale: fit?.scale ?? null,
    };
  });
}
