import { Cholesky, dot, zeros, type Rows } from "./linear-algebra";

/**
 * A function to minimize: its value and exact gradient (same length as x) at x. A value of Infinity marks infeasible
 * points.
 */
export type Objective = (x: readonly number[]) => { value: number; gradient: number[] };

/** Result of a minimization: the point found, and the objective there. */
export interface Minimum {
  x: number[];
  value: number;
  gradient: number[];
  /** no gradient component exceeds 1e-4; the point may still drift along a boundary */
  converged: boolean;
  iterations: number;
}

/** Largest absolute gradient component at which a minimum counts as converged. */
const ACCEPTABLE_GRADIENT = 1e-4;

/**
 * Minimizes a smooth function: BFGS with a backtracking line search (Nocedal & Wright 2006, chapters 3 and 6), then
 * Newton steps with a finite-difference Hessian of the gradient, as long as the Hessian is positive definite and the
 * value does not rise.
 *
 * @param start feasible point
 * @param options.tolerance largest absolute gradient component at which Newton stops; default 1e-8
 * @param options.rough largest absolute gradient component at which BFGS hands over to Newton; default 1e-6. It matters
 *   only along boundaries, where Newton stops at once.
 * @param options.maxIterations of BFGS; default 400
 */
export function minimize(
  objective: Objective,
  start: readonly number[],
  { tolerance = 1e-8, rough = 1e-6, maxIterations = 400 } = {},
): Minimum {
  return newton(objective, quasiNewton(objective, start, rough, maxIterations), tolerance);
}

/** BFGS. `fresh`: the inverse Hessian is a multiple of the identity, without curvature information. */
function quasiNewton(
  objective: Objective,
  start: readonly number[],
  tolerance: number,
  maxIterations: number,
): Minimum {
  let x = [...start];
  let { value, gradient } = objective(x);
  let inverse = identity(x.length);
  let fresh = true;
  let iterations = 0;
  for (; iterations < maxIterations && largest(gradient) > tolerance; iterations++) {
    let direction = inverse.map((row) => -dot(row, gradient));
    let slope = dot(direction, gradient);
    if (!(slope < 0)) {
      inverse = identity(x.length);
      fresh = true;
      direction = gradient.map((component) => -component);
      slope = -dot(gradient, gradient);
    }
    // a step changes no parameter by more than 3: these models' parameters are logarithms or logits, so a factor of e^3
    let step = Math.min(fresh ? 1 / Math.max(1, largest(gradient)) : 1, 3 / largest(direction));
    let next = objective(advance(x, direction, step));
    let trial = 0;
    while (!(next.value <= value + 1e-4 * step * slope) && trial++ < 40) {
      step /= 2;
      next = objective(advance(x, direction, step));
    }
    if (!(next.value <= value)) {
      if (fresh) break;
      inverse = identity(x.length);
      fresh = true;
      continue;
    }
    const difference = direction.map((component) => step * component);
    const change = next.gradient.map((component, i) => component - gradient[i]);
    const stalled = value - next.value <= 1e-14 * (1 + Math.abs(value)) && trial > 10;
    x = advance(x, direction, step);
    ({ value, gradient } = next);
    if (stalled) {
      if (fresh) break;
      inverse = identity(x.length);
      fresh = true;
      continue;
    }
    const curvature = dot(difference, change);
    if (curvature > 1e-12 * Math.sqrt(dot(difference, difference) * dot(change, change))) {
      if (fresh) inverse = identity(x.length, curvature / dot(change, change));
      update(inverse, difference, change, curvature);
      fresh = false;
    }
  }
  return { x, value, gradient, converged: largest(gradient) <= ACCEPTABLE_GRADIENT, iterations };
}

/** At most eight Newton steps, each accepted only if it lowers the gradient without raising the value. */
function newton(objective: Objective, from: Minimum, tolerance: number): Minimum {
  let best = from;
  for (let i = 0; i < 8 && largest(best.gradient) > tolerance; i++) {
    const factor = Cholesky.of(hessian(objective, best.x));
    if (!factor) break;
    const step = factor.solve(best.gradient);
    if (largest(step) > 0.5) break;
    const x = advance(best.x, step, -1);
    const next = objective(x);
    if (
      !(next.value <= best.value + 1e-9 * (1 + Math.abs(best.value))) ||
      !(largest(next.gradient) < largest(best.gradient))
    )
      break;
    best = { ...next, x, converged: true, iterations: best.iterations + 1 };
  }
  return best;
}

/**
 * Hessian by central differences of the exact gradient, symmetrized.
 *
 * @param step distance of the differences, absolute; default 1e-3
 * @returns n × n for x of length n
 */
export function hessian(objective: Objective, x: readonly number[], step = 1e-3): Rows {
  const columns = x.map((_, j) => {
    const at = (side: number): number[] =>
      objective(x.map((value, k) => (k === j ? value + side * step : value))).gradient;
    const above = at(1);
    const below = at(-1);
    return above.map((component, i) => (component - below[i]) / (2 * step));
  });
  return columns.map((column, i) => column.map((value, j) => (value + columns[j][i]) / 2));
}

function identity(size: number, scale = 1): Rows {
  const result = zeros(size, size);
  for (let i = 0; i < size; i++) result[i][i] = scale;
  return result;
}

/** Applies the BFGS update to an inverse Hessian in place; `curvature` is difference' change. */
function update(inverse: Rows, difference: readonly number[], change: readonly number[], curvature: number): void {
  const product = inverse.map((row) => dot(row, change));
  const scale = (1 + dot(change, product) / curvature) / curvature;
  for (let i = 0; i < inverse.length; i++) {
    for (let j = 0; j < inverse.length; j++) {
      inverse[i][j] +=
        scale * difference[i] * difference[j] - (product[i] * difference[j] + difference[i] * product[j]) / curvature;
    }
  }
}

/** Returns x + step · direction. */
function advance(x: readonly number[], direction: readonly number[], step: number): number[] {
  return x.map((value, i) => value + step * direction[i]);
}

/** Returns the largest absolute component. */
function largest(vector: readonly number[]): number {
  return vector.reduce((most, component) => Math.max(most, Math.abs(component)), 0);
}
