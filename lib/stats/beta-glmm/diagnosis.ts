import { formatP } from "../p-value";
import type { WaldTest } from "../wald";
import type { Estimate } from "./estimate";
import type { Singularity } from "./singularity";

/** Numerical state of a fit, and its description in sentences. */
export interface Diagnosis<Fit> {
  /** true if the optimizer converged, the Hessian is positive definite, and there is no singularity */
  trustworthy: boolean;
  converged: boolean;
  /** largest absolute gradient component over the estimated parameters */
  largestGradient: number;
  /** Hessian of minus the log-likelihood, over the parameters that are not at a limit */
  hessianPositiveDefinite: boolean;
  singularities: Singularity[];
  /** log-likelihood reached from each start */
  starts: Estimate["starts"];
  /** the fit with every parameter that reached a limit held there; null for a regular fit */
  reduced: Fit | null;
  /** at least one; each has one or two sentences */
  messages: string[];
}

/** The part of a reduced fit that {@link diagnose} describes. */
interface Reduced {
  logLikelihood: number;
  df: number;
  waldTests: WaldTest[];
}

/** The state of a fit that {@link diagnose} describes. */
interface FitState<Fit> {
  hessianPositiveDefinite: boolean;
  singularities: Singularity[];
  reduced: Fit | null;
  /** messages about saturated polynomials */
  saturated: string[];
}

/**
 * Diagnoses a fit and describes its state in sentences.
 *
 * @param optimum of the full model
 */
export function diagnose<Fit extends Reduced>(
  optimum: Estimate,
  { hessianPositiveDefinite, singularities, reduced, saturated }: FitState<Fit>,
): Diagnosis<Fit> {
  const { converged, largestGradient, starts } = optimum;
  const messages = singularities.map(({ summary }) => summary);
  if (reduced) messages.push(describeReduced(reduced, singularities, optimum.logLikelihood));
  if (!converged)
    messages.push(
      `The optimizer did not converge: the largest gradient component is ${largestGradient.toExponential(1)}. ` +
        "Simplify the random terms, or look for columns on very different scales.",
    );
  if (!hessianPositiveDefinite)
    messages.push(
      "The curvature at the optimum is not that of a maximum in every direction, so there are no standard errors. " +
        "Simplify the random terms.",
    );
  const logLikelihoods = starts.map((start) => start.logLikelihood);
  const [lowest, best] = [Math.min(...logLikelihoods), Math.max(...logLikelihoods)];
  const reached = logLikelihoods.filter((value) => value > best - 1e-3).length;
  if (reached < starts.length) {
    messages.push(
      `${starts.length - reached} of ${starts.length} starts ended at a lower log-likelihood ` +
        `(${lowest.toFixed(3)} against ${best.toFixed(3)}): ` +
        "the likelihood has several optima; this is the best one found.",
    );
  }
  messages.push(...saturated);
  const trustworthy = converged && hessianPositiveDefinite && singularities.length === 0;
  if (trustworthy) messages.unshift("Converged to a regular maximum.");
  return { trustworthy, converged, largestGradient, hessianPositiveDefinite, singularities, starts, reduced, messages };
}

/** @param fullLogLikelihood of the full model */
function describeReduced(
  { df: parameters, logLikelihood, waldTests }: Reduced,
  singularities: readonly Singularity[],
  fullLogLikelihood: number,
): string {
  const limits = singularities.map(describeLimit).filter(Boolean).join(" and ");
  const tests = waldTests.map(({ term, chiSquared, df, p }) =>
    chiSquared === null || p === null
      ? `no test of ${term}`
      : `${term} has χ²(${df}) = ${chiSquared.toFixed(2)}, ${formatP(p)}`,
  );
  return (
    `The reduced model, with ${limits}, has ${parameters} parameters and log-likelihood ${logLikelihood.toFixed(4)} ` +
    `(full model ${fullLogLikelihood.toFixed(4)}); in it ${tests.join("; ")}. ` +
    "Standard errors of the full model leave out what is at its limit."
  );
}

/** Describes the limit at which the reduced model holds a singularity; empty for a single level. */
function describeLimit({ kind, term, coefficients, estimate }: Singularity): string {
  if (kind === "zero variance") return `no variance of ${coefficients[0]} in ${term}`;
  if (kind === "perfect correlation") return `a correlation of ${estimate! > 0 ? "+1" : "-1"} in ${term}`;
  return "";
}
