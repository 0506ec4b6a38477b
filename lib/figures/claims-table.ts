import { checkRowsOf } from "../analysis/row-schemas";
import { dataFrame } from "./data-frame";
import type { ClaimRow } from "../analysis/claims";
import type { Table } from "./table";
import { severalArmsInWords } from "./table-captions";

/**
 * Makes a table of the claims of section 5.1, with estimate and 95 % interval in one column. With several arms, the
 * first column names the arm.
 *
 * @param claims `claimRows` computes them from scores
 * @returns table whose frame shows numbers with one decimal from 10 in absolute value, else with two; `rows` holds the
 *   unrounded numbers
 */
export function claimsTable(claims: readonly ClaimRow[]): Table {
  checkRowsOf("claimsTable", "claim", claims);
  const format = (value: number): string => value.toFixed(Math.abs(value) >= 10 ? 1 : 2);
  return {
    name: "claims",
    frame: dataFrame(
      claims.map(({ arm, claim, measure, estimate, low, high, units, holds }) => ({
        ...(arm !== undefined && { Arm: arm }),
        Claim: claim,
        Measure: measure,
        "Estimate (95 % interval)": `${format(estimate)} (${format(low)} to ${format(high)})`,
        Units: units,
        Holds: holds,
      })),
    ),
    rows: claims.map((claim) => ({ ...claim })),
    caption:
      "The claims of section 5.1. Each estimate is a mean over units; a unit is one benchmark with one model, or one " +
      "benchmark where models are compared. Intervals are 95 % percentile bootstrap intervals over units " +
      "(2,000 resamples). A claim holds (yes) or fails (no) if the interval excludes 0, and is open otherwise; " +
      "a claim of no effect can fail, but not be confirmed." +
      severalArmsInWords(claims.map(({ arm }) => arm)),
  };
}
