import { symmetricEigen } from "./eigen";
import { dot, type Rows } from "./linear-algebra";

/** A function to minimize at a point: its value, gradient and Hessian. */
export interface Evaluation {
  /** Infinity marks infeasible points, whose derivatives are not read */
  value: number;
  gradient: number[];
  hessian: Rows;
}

/** A function to minimize with its exact derivatives, of the length of x. */
export type Objective = (x: readonly number[]) => Evaluation;

/** Result of a minimization: the point found, and the objective there. */
export interface Minimum extends Evaluation {
  x: number[];
  /** no gradient component exceeds 1e-4; the point may still drift along a boundary */
  converged: boolean;
  iterations: number;
}

/** Largest absolute gradient component at which a minimum counts as converged. */
const ACCEPTABLE_GRADIENT = 1e-4;
/** Along an eigenvector; these models' parameters are logarithms, logits and standard deviations of logits. */
const LONGEST_STEP = 3;
/** Relative to 1 + |value|: a smaller change of the value may be rounding. */
const ROUNDING = 1e-9;

/**
 * Minimizes a smooth function by Newton's method with step halving. Along eigenvectors of negative curvature the step
 * uses its absolute value, so that every step is a descent direction (Nocedal & Wright 2006, section 3.4).
 *
 * @param start feasible point
 * @param options.tolerance largest absolute gradient component at which the search stops; default 1e-8
 * @param options.maxIterations default 200
 */
export function minimize(
  objective: Objective,
  start: readonly number[],
  { tolerance = 1e-8, maxIterations = 200 } = {},
): Minimum {
  let x = [...start];
  let current = objective(x);
  let iterations = 0;
  for (; iterations < maxIterations && largest(current.gradient) > tolerance; iterations++) {
    const direction = descent(current);
    const slope = dot(direction, current.gradient);
    const rounding = ROUNDING * (1 + Math.abs(current.value));
    const limit = largest(current.gradient);
    const accepts = ({ value, gradient }: Evaluation, step: number): boolean =>
      value <= current.value + 1e-4 * step * slope || (value <= current.value + rounding && largest(gradient) < limit);
    let step = 1;
    let point = x.map((value, i) => value + direction[i]);
    let next = objective(point);
    while (!accepts(next, step) && -step * slope > 1e-5 * rounding) {
      step /= 2;
      point = x.map((value, i) => value + step * direction[i]);
      next = objective(point);
    }
    if (!accepts(next, step)) break;
    x = point;
    current = next;
  }
  return { x, ...current, converged: largest(current.gradient) <= ACCEPTABLE_GRADIENT, iterations };
}

/** Newton's step with the absolute values of the Hessian's eigenvalues, shortened along each eigenvector. */
function descent({ gradient, hessian }: Evaluation): number[] {
  const { values, vectors } = symmetricEigen(hessian);
  const step = gradient.map(() => 0);
  for (const [k, vector] of vectors.entries()) {
    const component = dot(vector, gradient);
    const length = Math.min(Math.abs(component / values[k]), LONGEST_STEP) * Math.sign(component);
    if (component !== 0) for (let i = 0; i < step.length; i++) step[i] -= length * vector[i];
  }
  return step;
}

/** Returns the largest absolute component. */
function largest(vector: readonly number[]): number {
  return vector.reduce((most, component) => Math.max(most, Math.abs(component)), 0);
}
