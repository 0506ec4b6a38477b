import { minimize, type Objective } from "../optimize";
import { zeros, type Rows } from "../linear-algebra";
import { describeCovariance, parameterCount } from "./covariance";
import type { BetaGlmmData } from "./data";
import { LaplaceLikelihood } from "./laplace";

/** One value a parameter: held there, or null where it is estimated. */
export type Held = readonly (number | null)[];

export interface Estimate {
  /** all of them, held ones included */
  parameters: number[];
  logLikelihood: number;
  /** largest absolute component of the gradient by the estimated parameters */
  largestGradient: number;
  converged: boolean;
  /** the log-likelihood reached from each start */
  starts: { start: string; logLikelihood: number; converged: boolean }[];
}

/** Indices of the estimated parameters. */
export function freeParameters(held: Held): number[] {
  return held.flatMap((value, i) => (value === null ? [i] : []));
}

/** The likelihood as a function of the estimated parameters only. */
export function objectiveOf(likelihood: LaplaceLikelihood, held: Held): Objective {
  const free = freeParameters(held);
  return (x) => {
    const { value, gradient } = likelihood.evaluate(fill(held, x));
    return { value, gradient: free.map((i) => gradient[i]) };
  };
}

function fill(held: Held, x: readonly number[]): number[] {
  let next = 0;
  return held.map((value) => value ?? x[next++]);
}

/**
 * The best optimum from several starts: everything at zero, as glmmTMB starts; then, from the best point so far, small
 * standard deviations without correlation, and the given points.
 */
export function estimate(data: BetaGlmmData, held: Held, from: readonly (readonly number[])[] = []): Estimate {
  const likelihood = new LaplaceLikelihood(data);
  const objective = objectiveOf(likelihood, held);
  const free = freeParameters(held);
  const starts: Estimate["starts"] = [];
  let best: ReturnType<typeof minimize> | null = null;
  const attempt = (start: string, parameters: readonly number[]): void => {
    const found = minimize(
      objective,
      free.map((i) => parameters[i]),
    );
    starts.push({ start, logLikelihood: -found.value, converged: found.converged });
    // another optimum must be visibly better, or a smaller gradient decides
    if (
      !best ||
      found.value < best.value - 1e-6 ||
      (found.value < best.value + 1e-6 && !best.converged && found.converged)
    )
      best = found;
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
 * Second derivatives of minus the log-likelihood by the given parameters, and first derivatives of the modes
 * (effects × parameters), as central differences of exact values with glmmTMB's step.
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

/** Standard deviations and correlations of every random term. */
export function covarianceOf(data: BetaGlmmData, parameters: readonly number[]): { sd: number[]; correlation: Rows }[] {
  return data.random.map(({ parameterOffset, size }) =>
    describeCovariance(parameters.slice(parameterOffset, parameterOffset + parameterCount(size)), size),
  );
}
