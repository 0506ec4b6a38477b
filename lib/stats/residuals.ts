import { integer, wholeNumber } from "../data/validate";
import { aList, checkOptions, checkRows, numbers, aFunction, type OptionSchemas } from "../data/arguments";
import { seededRandom } from "../data/random";
import { binomialTwoSided, kolmogorovUpper } from "./distributions";
import { StatisticsError } from "../data/errors";
import { formatP } from "./p-value";

/** The part of a fit that residual checks use; a `BetaGlmmFit` has it. */
export interface Simulated {
  /** observed scores, one per row of data */
  response: readonly number[];
  /** predicted means without random effects, one per row */
  populationFitted: readonly number[];
  /** Draws one data set from the model: one score per row. */
  simulate(random: () => number): number[];
}

/** Options of {@link checkResiduals}. */
export interface ResidualOptions {
  /** number of simulated data sets, at least 20; default 250, as in DHARMa */
  simulations?: number;
  /** default 42 */
  seed?: number;
  /** simulated scores to use instead of `simulations`: one array per row of data, all of the same length */
  simulated?: readonly (readonly number[])[];
}

/** What the options of {@link checkResiduals} must be. */
export const RESIDUAL_OPTIONS: OptionSchemas<ResidualOptions> = {
  simulations: wholeNumber(20),
  seed: integer,
  simulated: aList,
};

/** Scaled quantile residuals and the tests based on them. All p-values are two-sided. */
export interface ResidualCheck {
  /** share of simulated scores below the observed one, per row: uniform on [0, 1] if the model is correct */
  scaledResiduals: number[];
  /** Kolmogorov–Smirnov test against the uniform distribution; p from the limiting distribution for many rows */
  uniformity: { statistic: number; p: number };
  /**
   * standard deviation of score − population mean, divided by the mean of its simulated values; p is 0 if no simulation
   * is as extreme, which means below 2 / `simulations`
   */
  dispersion: { ratio: number; p: number };
  /** rows whose score lies outside all simulated ones, with the number expected under the model */
  outliers: { count: number; expected: number; p: number };
  /** QQ plot: sorted residuals against uniform quantiles */
  quantiles: { expected: number; observed: number }[];
  /** plot of residuals against predictions; `rank` is the prediction's rank, scaled to (0, 1) */
  predicted: { rank: number; fitted: number; residual: number }[];
  /** null if `simulated` was given */
  seed: number | null;
  /** number of simulated scores per row */
  simulations: number;
  /** what the tests find against the model at the 5 % level, as clauses; empty if they find nothing */
  failures: string[];
  /** verdict at the 5 % level */
  summary: string;
}

/**
 * Checks a fit by scaled quantile residuals, as R's DHARMa (Hartig 2022), which the paper used. Scores are simulated
 * from the fit, with new random effects; the residual of an observed score is its quantile among its simulated scores.
 * Ties are broken at random.
 *
 * @throws {StatisticsError} if `simulations` is not a whole number of at least 20, or `simulated` does not have one
 *   array of the same length per row
 */
export function checkResiduals(fit: Simulated, options: ResidualOptions = {}): ResidualCheck {
  const {
    simulations = 250,
    seed = 42,
    simulated,
  } = checkOptions("checkResiduals", options, RESIDUAL_OPTIONS, { ErrorClass: StatisticsError });
  checkRows("checkResiduals", [fit], { response: numbers, populationFitted: numbers, simulate: aFunction });
  const { response, populationFitted } = fit;
  const n = response.length;
  if (simulated && (simulated.length !== n || simulated.some((row) => row.length !== simulated[0].length))) {
    throw new StatisticsError(
      `checkResiduals: simulated must hold one array for each of the ${n} rows, all of the same length`,
    );
  }
  const random = seededRandom(seed, "residuals");
  const draws = simulated ? null : Array.from({ length: simulations }, () => fit.simulate(random));
  const rows = simulated ?? response.map((_, i) => draws!.map((draw) => draw[i]));

  const scaledResiduals = quantileResiduals(response, rows, random);
  const statistic = uniformDistance(scaledResiduals);
  const uniformity = { statistic, p: kolmogorovUpper(statistic, n) };
  const dispersion = testDispersion(fit, rows);
  const outliers = testOutliers(scaledResiduals, rows[0].length);
  const failures = failedTests({ uniformity, dispersion, outliers, simulations: rows[0].length });
  const order = populationFitted.map((_, i) => i).sort((i, j) => populationFitted[i] - populationFitted[j]);
  return {
    scaledResiduals,
    uniformity,
    dispersion,
    outliers,
    quantiles: [...scaledResiduals]
      .sort((a, b) => a - b)
      .map((value, i) => ({ expected: (i + 0.5) / n, observed: value })),
    predicted: order.map((i, rank) => ({
      rank: (rank + 0.5) / n,
      fitted: populationFitted[i],
      residual: scaledResiduals[i],
    })),
    seed: simulated ? null : seed,
    simulations: rows[0].length,
    failures,
    summary:
      failures.length === 0
        ? "Uniformity, dispersion and outliers give no sign against the model at the 5 % level."
        : `Against the model: ${failures.join("; ")}.`,
  };
}

/** Share of each row's simulated scores below the observed one; within ties, a uniform draw. */
function quantileResiduals(
  response: readonly number[],
  simulated: readonly (readonly number[])[],
  random: () => number,
): number[] {
  return simulated.map((row, i) => {
    const below = row.filter((value) => value < response[i]).length / row.length;
    const upTo = row.filter((value) => value <= response[i]).length / row.length;
    return below === upTo ? below : below + random() * (upTo - below);
  });
}

/** Compares the spread of the scores around the population means with that of each simulated data set. */
function testDispersion(
  { response, populationFitted }: Simulated,
  simulated: readonly (readonly number[])[],
): ResidualCheck["dispersion"] {
  const count = simulated[0].length;
  const spread = (values: readonly number[]): number =>
    standardDeviation(values.map((value, i) => value - populationFitted[i]));
  const observed = spread(response);
  const spreads = Array.from({ length: count }, (_, k) => spread(simulated.map((row) => row[k])));
  const atMost = spreads.filter((value) => value <= observed).length / count;
  const atLeast = spreads.filter((value) => value >= observed).length / count;
  return {
    ratio: observed / (spreads.reduce((sum, value) => sum + value, 0) / count),
    p: Math.min(1, 2 * Math.min(atMost, atLeast)),
  };
}

/**
 * Binomial test of the number of rows outside all `simulations` simulated scores, expected at a rate of 2 /
 * (simulations + 1).
 */
function testOutliers(scaledResiduals: readonly number[], simulations: number): ResidualCheck["outliers"] {
  const n = scaledResiduals.length;
  const rate = 2 / (simulations + 1);
  const count = scaledResiduals.filter(
    (residual) => residual < 1 / (simulations + 1) || residual > 1 - 1 / (simulations + 1),
  ).length;
  return { count, expected: rate * n, p: binomialTwoSided(count, n, rate) };
}

/** Describes each test with p < 0.05. */
function failedTests({
  uniformity,
  dispersion,
  outliers,
  simulations,
}: Pick<ResidualCheck, "uniformity" | "dispersion" | "outliers" | "simulations">): string[] {
  const failed: string[] = [];
  const inParentheses = (p: number): string => `(${formatP(p)})`;
  if (uniformity.p < 0.05) failed.push(`residuals are not uniform ${inParentheses(uniformity.p)}`);
  if (dispersion.p < 0.05)
    failed.push(
      `scores spread ${dispersion.ratio.toFixed(2)} times as far as the model says ` +
        `(${formatP(dispersion.p, 2 / simulations)})`,
    );
  if (outliers.p < 0.05)
    failed.push(
      `${outliers.count} outliers where ${outliers.expected.toFixed(1)} are expected ${inParentheses(outliers.p)}`,
    );
  return failed;
}

/**
 * Kolmogorov–Smirnov statistic against the uniform distribution on [0, 1]: the largest distance between it and the
 * empirical distribution function.
 *
 * @param values in [0, 1], in any order
 */
export function uniformDistance(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted.reduce(
    (most, value, i) => Math.max(most, (i + 1) / sorted.length - value, value - i / sorted.length),
    0,
  );
}

function standardDeviation(values: readonly number[]): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1));
}
