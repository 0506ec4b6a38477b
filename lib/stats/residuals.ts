import { seededRandom } from "../data/random";
import { binomialTwoSided, kolmogorovUpper } from "./distributions";
import { StatisticsError } from "../data/errors";

/** What residual checks need of a fit: `fitBetaGlmm`'s has it. */
export interface Simulated {
  response: readonly number[];
  /** means without random effects */
  populationFitted: readonly number[];
  simulate(random: () => number): number[];
}

export interface ResidualOptions {
  /** Data sets to simulate; 250 by default, as in DHARMa. */
  simulations?: number;
  seed?: number;
  /** Simulated scores to use instead, one array a row of data. */
  simulated?: readonly (readonly number[])[];
}

/** Scaled quantile residuals and the tests made of them. All p-values are two-sided. */
export interface ResidualCheck {
  /** Share of simulated scores below the one seen, for every row: uniform on [0, 1] if the model is right. */
  scaledResiduals: number[];
  /** Kolmogorov–Smirnov against the uniform distribution, with the p-value of its limit for many rows. */
  uniformity: { statistic: number; p: number };
  /** Spread around the population mean, as a multiple of the simulated spread. */
  dispersion: { ratio: number; p: number };
  /** Rows outside all their simulated scores. */
  outliers: { count: number; expected: number; p: number };
  /** For the QQ plot: sorted residuals against what a uniform distribution gives. */
  quantiles: { expected: number; observed: number }[];
  /** For the plot of residuals against predictions, which are ranked to 0 … 1. */
  predicted: { rank: number; fitted: number; residual: number }[];
  seed: number | null;
  simulations: number;
  summary: string;
}

/**
 * Residual checks in the manner of R's DHARMa (Hartig 2022), which the paper used: scores are simulated from the fit,
 * new random effects included, and each score seen is placed among its simulated ones. Ties are broken at random.
 *
 * @throws StatisticsError for simulated scores that do not fit the data
 */
export function checkResiduals(
  fit: Simulated,
  { simulations = 250, seed = 42, simulated }: ResidualOptions = {},
): ResidualCheck {
  const { response, populationFitted } = fit;
  const n = response.length;
  if (!simulated && !(Number.isInteger(simulations) && simulations >= 20))
    throw new StatisticsError(
      `checkResiduals: simulations is ${simulations}; it must be a whole number of at least 20`,
    );
  if (simulated && (simulated.length !== n || simulated.some((row) => row.length !== simulated[0].length))) {
    throw new StatisticsError(
      `checkResiduals: simulated must hold one array for each of the ${n} rows, all of the same length`,
    );
  }
  const random = seededRandom(seed, "residuals");
  const draws = simulated ? null : Array.from({ length: simulations }, () => fit.simulate(random));
  const rows = simulated ?? response.map((_, i) => draws!.map((draw) => draw[i]));
  const count = rows[0].length;

  const scaledResiduals = rows.map((row, i) => {
    const below = row.filter((value) => value < response[i]).length / count;
    const upTo = row.filter((value) => value <= response[i]).length / count;
    return below === upTo ? below : below + random() * (upTo - below);
  });
  const statistic = uniformDistance(scaledResiduals);
  const spread = (values: readonly number[]): number =>
    standardDeviation(values.map((value, i) => value - populationFitted[i]));
  const observed = spread(response);
  const spreads = Array.from({ length: count }, (_, k) => spread(rows.map((row) => row[k])));
  const share = (test: (spread: number) => boolean): number => spreads.filter(test).length / count;
  const dispersion = {
    ratio: observed / (spreads.reduce((sum, value) => sum + value, 0) / count),
    p: Math.min(
      1,
      2 *
        Math.min(
          share((value) => value <= observed),
          share((value) => value >= observed),
        ),
    ),
  };
  const rate = 2 / (count + 1);
  const outside = scaledResiduals.filter(
    (residual) => residual < 1 / (count + 1) || residual > 1 - 1 / (count + 1),
  ).length;
  const outliers = { count: outside, expected: rate * n, p: binomialTwoSided(outside, n, rate) };
  const uniformity = { statistic, p: kolmogorovUpper(statistic, n) };
  const order = populationFitted.map((_, i) => i).sort((i, j) => populationFitted[i] - populationFitted[j]);
  const failed = [
    ...(uniformity.p < 0.05 ? [`residuals are not uniform (p = ${uniformity.p.toPrecision(2)})`] : []),
    ...(dispersion.p < 0.05
      ? [
          `scores spread ${dispersion.ratio.toFixed(2)} times as far as the model says (p = ${dispersion.p.toPrecision(2)})`,
        ]
      : []),
    ...(outliers.p < 0.05
      ? [`${outside} outliers where ${outliers.expected.toFixed(1)} are expected (p = ${outliers.p.toPrecision(2)})`]
      : []),
  ];
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
    simulations: count,
    summary:
      failed.length === 0
        ? "Uniformity, dispersion and outliers give no sign against the model at the 5 % level."
        : `Against the model: ${failed.join("; ")}.`,
  };
}

/** Largest distance between the empirical distribution and the uniform one. */
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
