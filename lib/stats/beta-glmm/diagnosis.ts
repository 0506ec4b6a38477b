import type { WaldTest } from "../wald";
import type { Estimate } from "./estimate";
import type { Singularity } from "./singularity";

/** Whether a fit is to be trusted, in facts and in words. */
export interface Diagnosis<Fit> {
  /** Converged, with a proper maximum, and nothing at a limit. */
  trustworthy: boolean;
  converged: boolean;
  largestGradient: number;
  hessianPositiveDefinite: boolean;
  singularities: Singularity[];
  /** The log-likelihood reached from each start. */
  starts: Estimate["starts"];
  /** The fit with everything that reached a limit held there; null for a regular fit. */
  reduced: Fit | null;
  /** One sentence or two each; at least one. */
  messages: string[];
}

interface Reduced {
  logLikelihood: number;
  df: number;
  waldTests: WaldTest[];
}

/** Puts a fit's state into words. */
export function diagnose<Fit extends Reduced>(
  found: Estimate,
  {
    hessianPositiveDefinite,
    singularities,
    reduced,
    saturated,
  }: { hessianPositiveDefinite: boolean; singularities: Singularity[]; reduced: Fit | null; saturated: string[] },
): Diagnosis<Fit> {
  const { converged, largestGradient, starts, logLikelihood } = found;
  const messages = singularities.map(({ summary }) => summary);
  if (reduced) {
    const tests = reduced.waldTests.map(({ term, chiSquared, df, p }) =>
      chiSquared === null || p === null
        ? `no test of ${term}`
        : `${term} has χ²(${df}) = ${chiSquared.toFixed(2)}, ${formatP(p)}`,
    );
    messages.push(
      `The reduced model, with ${singularities.map(limit).filter(Boolean).join(" and ")}, has ${reduced.df} parameters and log-likelihood ${reduced.logLikelihood.toFixed(4)} ` +
        `(full model ${logLikelihood.toFixed(4)}); in it ${tests.join("; ")}. Standard errors of the full model leave out what is at its limit.`,
    );
  }
  if (!converged)
    messages.push(
      `The optimizer did not converge: the largest gradient component is ${largestGradient.toExponential(1)}. Simplify the random terms, or look for columns on very different scales.`,
    );
  if (!hessianPositiveDefinite)
    messages.push(
      "The curvature at the optimum is not that of a maximum in every direction, so there are no standard errors. Simplify the random terms.",
    );
  const best = Math.max(...starts.map((start) => start.logLikelihood));
  const reached = starts.filter((start) => start.logLikelihood > best - 1e-3).length;
  if (reached < starts.length) {
    messages.push(
      `${starts.length - reached} of ${starts.length} starts ended at a lower log-likelihood (${Math.min(...starts.map((start) => start.logLikelihood)).toFixed(3)} against ${best.toFixed(3)}): the likelihood has several optima; this is the best one found.`,
    );
  }
  messages.push(...saturated);
  const trustworthy = converged && hessianPositiveDefinite && singularities.length === 0;
  if (trustworthy) messages.unshift("Converged to a regular maximum.");
  return { trustworthy, converged, largestGradient, hessianPositiveDefinite, singularities, starts, reduced, messages };
}

function limit({ kind, term, coefficients, estimate }: Singularity): string {
  if (kind === "zero variance") return `no variance of ${coefficients[0]} in ${term}`;
  if (kind === "perfect correlation") return `a correlation of ${estimate! > 0 ? "+1" : "-1"} in ${term}`;
  return "";
}

/** p = 0.012, or p < 0.001. */
export function formatP(p: number): string {
  return p < 0.001 ? "p < 0.001" : `p = ${p.toFixed(3)}`;
}
