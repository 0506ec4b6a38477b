import { minimize, type Objective } from "../optimize";
import { zeros, type Rows } from "../linear-algebra";
import { describeCovariance, parameterCount } from "./covariance";
import type { BetaGlmmData } from "./data";
import { LaplaceLikelihood } from "./laplace";

/** For each parameter the value at which it is held fixed, or null if it is estimated. */
export type Held = readonly (number | null)[];

/** A maximum of the likelihood. */
export interface Estimate {
  /** all parameters, held ones included: coefficients, log φ, then the covariance parameters of each random term */
  parameters: number[];
  logLikelihood: number;
  /** largest absolute gradient component over the estimated parameters */
  largestGradient: number;
  converged: boolean;
  /** log-likelihood reached from each start */
  starts: { start: string; logLikelihood: number; converged: boolean }[];
}

/** Returns the indices of the estimated parameters. */
export function freeParameters(held: Held): number[] {
  return held.flatMap((value, i) => (value === null ? [i] : []));
}

/** Returns minus the log-likelihood as a function of the estimated parameters only. */
export function objectiveOf(likelihood: LaplaceLikelihood, held: Held): Objective {
  const free = freeParameters(held);
  return (x) => {
    const { value, gradient } = likelihood.evaluate(fill(held, x));
    return { value, gradient: free.map((i) => gradient[i]) };
  };
}

/** Inserts the estimated parameters `x` among the held ones. */
function fill(held: Held, x: readonly number[]): number[] {
  let next = 0;
  return held.map((value) => value ?? x[next++]);
}

/**
 * Maximizes the likelihood from several starts and returns the best optimum. The starts are the given points; all
 * parameters 0, as in glmmTMB; and, if no points are given, the best optimum so far with standard deviations of at most
 * e^-2 and e^-4 and without correlation.
 *
 * @param held parameters that are not estimated
 * @param from start points, each with all parameters; default none
 */
export function estimate(data: BetaGlmmData, held: Held, from: readonly (readonly number[])[] = []): Estimate {
  const likelihood = new LaplaceLikelihood(data);
  const objective = objectiveOf(likelihood, held);
  const free = freeParameters(held);
  const starts: Estimate["starts"] = [];
  let best: ReturnType<typeof minimize> | null = null;
  const attempt = (start: string, parameters: readonly number[]): void => {
    const minimum = minimize(
      objective,
      free.map((i) => parameters[i]),
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
      const point = fill(held, best!.x);
      for (const { parameterOffset, size } of data.random) {
        for (let k = 0; k < parameterCount(size); k++)
          point[parameterOffset + k] = k < size ? Math.min(deviation, point[parameterOffset + k]) : 0;
      }
      attempt(`standard deviations of at most e^${deviation}`, point);
    }
  }
  const { x, value, gradient, converged } = best!;
  return {
    parameters: fill(held, x),
    logLikelihood: -value,
    converged,
    starts,
    largestGradient: gradient.reduce((most, component) => Math.max(most, Math.abs(component)), 0),
  };
}

/**
 * Computes the Hessian of minus the log-likelihood by the free parameters, and the derivatives of the modes, as central
 * differences of exact gradients and modes.
 *
 * @param parameters all parameters
 * @param free indices of the parameters to differentiate by
 * @param step absolute distance; default 1e-3, as in glmmTMB
 * @returns `hessian` free × free, symmetric; `modes` effects × free
 */
export function curvature(
  likelihood: LaplaceLikelihood,
  parameters: readonly number[],
  free: readonly number[],
  step = 1e-3,
): { hessian: Rows; modes: Rows } {
  const differences = free.map((i) => {
    const at = (side: number): { gradient: number[]; modes: number[] } =>
      likelihood.evaluate(parameters.map((value, k) => (k === i ? value + side * step : value)));
    const above = at(1);
    const below = at(-1);
    return {
      gradient: free.map((k) => (above.gradient[k] - below.gradient[k]) / (2 * step)),
      modes: above.modes.map((mode, k) => (mode - below.modes[k]) / (2 * step)),
    };
  });
  const hessian = zeros(free.length, free.length);
  for (let i = 0; i < free.length; i++)
    for (let j = 0; j < free.length; j++) hessian[i][j] = (differences[i].gradient[j] + differences[j].gradient[i]) / 2;
  const effects = differences[0]?.modes.length ?? 0;
  return { hessian, modes: Array.from({ length: effects }, (_, k) => differences.map(({ modes }) => modes[k])) };
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
