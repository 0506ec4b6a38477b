import "../model/environment"; // danfojs loads TensorFlow, which reads its settings once
import { DataFrame } from "danfojs-node";
import type { ClaimRow } from "../analysis/claims";
import type { Table } from "./table";

/** Section 5.1's claims as a table: estimate and 95 % interval in one column. */
export function claimsTable(claims: readonly ClaimRow[]): Table {
  const number = (value: number): string => value.toFixed(Math.abs(value) >= 10 ? 1 : 2);
  return {
    name: "claims",
    frame: new DataFrame(
      claims.map(({ claim, measure, estimate, low, high, units, holds }) => ({
        Claim: claim,
        Measure: measure,
        "Estimate (95 % interval)": `${number(estimate)} (${number(low)} to ${number(high)})`,
        Units: units,
        Holds: holds,
      })),
    ),
    rows: claims.map((claim) => ({ ...claim })),
    caption:
      "The claims of section 5.1. Estimates are means over units, a benchmark with one model (a benchmark where models are compared); intervals are 95 % percentile bootstraps over units, " +
      "2,000 resamples. Yes or no where the whole interval lies on one side of 0; a claim of no effect stays open otherwise.",
  };
}
