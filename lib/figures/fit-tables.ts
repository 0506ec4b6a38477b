// Small tables about fits, for notebooks.
import { formatP } from "../stats/beta-glmm/diagnosis";
import type { RatioFit } from "../analysis/ratio-fits";
import type { Row } from "./figure";
import type { DatasetCheck } from "./residual-panels";

/** The tests of the scaled residuals, one row a data set. */
export function residualTable(checks: readonly DatasetCheck[]): Row[] {
  return checks.map(({ dataset, check: { uniformity, dispersion, outliers, summary } }) => ({
    dataset,
    "distance from uniform": uniformity.statistic,
    "p (uniform)": formatP(uniformity.p),
    "spread, seen / simulated": dispersion.ratio,
    "p (spread)": formatP(dispersion.p),
    outliers: outliers.count,
    expected: outliers.expected,
    "p (outliers)": formatP(outliers.p),
    verdict: summary,
  }));
}

/** What each benchmark group's surface is worth; numbers are null where it could not be fitted. */
export function ratioFitRows(fits: readonly RatioFit[]): Row[] {
  return fits.map(({ group, rows, fit }) => {
    const smooth = fit?.smooths[0];
    return {
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
