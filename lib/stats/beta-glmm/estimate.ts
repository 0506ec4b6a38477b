import { minimize, type Minimum, type Objective } from "../optimize";
import type { Rows } from "../linear-algebra";
import {
  correlationIndex,
  covarianceParameters,
  describeCovariance,
  factorEntries,
  parameterCount,
} from "./covariance";
import type { BetaGlmmData } from "./data";
import { LaplaceLikelihood } from "./laplace";

/** For each parameter the value at which it is held fixed, or null if it is estimated. */
export type Held = readonly (number | null)[];

/** A maximum of the likelihood. */
export interface Estimate {
  /** all parameters, held ones included: coefficients, log φ, then the covariance parameters of each random term */
  parameters: number[];
  logLikelihood: number;
  /** largest absolute gradient component over what the optimizer varies */
  largestGradient: number;
  converged: boolean;
  /** log-likelihood reached from each start */
  starts: { start: string; logLikelihood: number; converged: boolean }[];
}

/** Returns the indices of the estimated parameters. */
export function freeParameters(held: Held): number[] {
  return held.flatMap((value, i) => (value === null ? [i] : []));
}

/**
 * Selects what the optimizer varies: the coefficients, log φ and the entries of every T that do not follow from the held
 * parameters. Those others are 0: a row without variance, an entry without correlation, the diagonal of a row with a
 * perfect correlation.
 */
function freeEntries({ random, parameters }: BetaGlmmData, held: Held): number[] {
  const free = new Array<boolean>(parameters).fill(true);
  for (const { parameterOffset, size } of random) {
    for (let row = 0, k = parameterOffset; row < size; row++) {
      const correlations = Array.from(
        { length: row },
        (_, column) => held[parameterOffset + correlationIndex(size, row, column)],
      );
      for (let column = 0; column <= row; column++, k++)
        free[k] =
          held[parameterOffset + row] === null &&
          (column < row ? correlations[column] !== 0 : correlations.every((value) => !value));
    }
  }
  return free.flatMap((is, k) => (is ? [k] : []));
}

/** Replaces each random term's part of `point`, of the same length. */
function mapTerms(
  { random }: BetaGlmmData,
  point: readonly number[],
  change: (part: number[], size: number) => readonly number[],
): number[] {
  const result = [...point];
  for (const { parameterOffset, size } of random) {
    const count = parameterCount(size);
    result.splice(parameterOffset, count, ...change(point.slice(parameterOffset, parameterOffset + count), size));
  }
  return result;
}

/**
 * Maximizes the likelihood from several starts and returns the best optimum. The starts are the given points; all
 * parameters 0, as in glmmTMB; and, if no points are given, the best optimum so far with standard deviations of e^-2 and
 * e^-4 and without correlation.
 *
 * The optimizer varies the entries of T instead of the covariance parameters: a variance of zero and a correlation of
 * ±1 are ordinary points of it, so that the search converges there as fast as elsewhere.
 *
 * @param held parameters that are not estimated
 * @param from start points, each with all parameters; default none
 */
export function estimate(data: BetaGlmmData, held: Held, from: readonly (readonly number[])[] = []): Estimate {
  const likelihood = new LaplaceLikelihood(data);
  const free = freeEntries(data, held);
  const fill = (x: readonly number[]): number[] => {
    const point = new Array<number>(data.parameters).fill(0);
    for (const [k, index] of free.entries()) point[index] = x[k];
    return point;
  };
  const objective: Objective = (x) => {
    const { value, gradient, hessian } = likelihood.evaluateFactors(fill(x));
    return { value, gradient: free.map((i) => gradient[i]), hessian: free.map((i) => free.map((j) => hessian[i][j])) };
  };
  const starts: Estimate["starts"] = [];
  let best: Minimum | null = null;
  const attempt = (start: string, parameters: readonly number[]): void => {
    const point = mapTerms(data, parameters, (theta, size) => factorEntries(theta, size).map(({ value }) => value));
    const minimum = minimize(
      objective,
      free.map((i) => point[i]),
    );
    starts.push({ start, logLikelihood: -minimum.value, converged: minimum.converged });
    // replace the best only by a clearly lower value, or by an equal one that converged where the best did not
    if (
      !best ||
      minimum.value < best.value - 1e-6 ||
      (minimum.value < best.value + 1e-6 && !best.converged && minimum.converged)
    )
      best = minimum;
  };
  for (const [i, point] of from.entries()) attempt(`given point ${i + 1}`, point);
  attempt("all parameters 0", new Array<number>(data.parameters).fill(0));
  if (data.random.length > 0 && from.length === 0) {
    for (const deviation of [-2, -4]) {
      const uncorrelated = (theta: number[], size: number): number[] => theta.map((_, k) => (k < size ? deviation : 0));
      attempt(`standard deviations of e^${deviation}`, mapTerms(data, fill(best!.x), uncorrelated));
    }
  }
  const { x, value, gradient, converged } = best!;
  return {
    parameters: mapTerms(data, fill(x), covarianceParameters).map((parameter, i) => held[i] ?? parameter),
    logLikelihood: -value,
    converged,
    starts,
    largestGradient: gradient.reduce((most, component) => Math.max(most, Math.abs(component)), 0),
  };
}

/**
 * Computes the standard deviations and correlations of every random term.
 *
 * @param parameters all parameters
 * @returns one entry per random term, see {@link describeCovariance}
 */
export function covarianceOf(data: BetaGlmmData, parameters: readonly number[]): { sd: number[]; correlation: Rows }[] {
  return data.random.map(({ parameterOffset, size }) =>
    describeCovariance(parameters.slice(parameterOffset, parameterOffset + parameterCount(size)), size),
  );
}
