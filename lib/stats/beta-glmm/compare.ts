import { chiSquaredUpper } from "../distributions";
import type { BetaGlmmFit } from "./fit";
import { StatisticsError } from "../../data/errors";

/** Likelihood-ratio test of a model against a larger one that contains it. */
export interface LikelihoodRatioTest {
  /** twice the difference of the log-likelihoods, at least 0 */
  chiSquared: number;
  /** number of additional parameters */
  df: number;
  /** from the χ² distribution; too large if a variance is tested at its limit of zero */
  p: number;
  summary: string;
}

/**
 * Compares two nested fits of the same scores by a likelihood-ratio test.
 *
 * @throws {StatisticsError} if the scores differ, `larger` does not have more parameters, or its log-likelihood is
 *   lower
 */
export function compareFits(smaller: BetaGlmmFit, larger: BetaGlmmFit): LikelihoodRatioTest {
  if (smaller.rows !== larger.rows || smaller.response.some((score, i) => score !== larger.response[i])) {
    throw new StatisticsError(
      "compareFits: the two fits have different scores. Fit both to the same rows with the same squeeze.",
    );
  }
  const df = larger.df - smaller.df;
  if (df < 1)
    throw new StatisticsError(
      `compareFits: the second fit must be the larger one, but has ${larger.df} parameters against ${smaller.df}`,
    );
  const difference = 2 * (larger.logLikelihood - smaller.logLikelihood);
  if (difference < -1e-4) {
    throw new StatisticsError(
      `compareFits: "${smaller.formula}" reaches a higher likelihood than "${larger.formula}", ` +
        "so it is not nested in it. Compare nested models.",
    );
  }
  const chiSquared = Math.max(0, difference);
  const p = chiSquaredUpper(chiSquared, df);
  const variances =
    larger.randomEffects.length > smaller.randomEffects.length
      ? " A variance is tested at its limit of zero, where this p-value is too large."
      : "";
  return {
    chiSquared,
    df,
    p,
    summary:
      `χ²(${df}) = ${chiSquared.toFixed(3)}, p = ${p.toPrecision(3)} ` +
      `for the terms that "${larger.formula}" adds to "${smaller.formula}".${variances}`,
  };
}
