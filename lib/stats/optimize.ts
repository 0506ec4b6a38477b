import { Cholesky, dot, zeros, type Rows } from "./linear-algebra";

/** A function to be minimized, with its exact gradient. A value of Infinity marks what must not be entered. */
export type Objective = (x: readonly number[]) => { value: number; gradient: number[] };

export interface Minimum {
  x: number[];
  value: number;
  gradient: number[];
  /** The gradient is so small that a further step would move nothing visibly, though it may drift along a boundary. */
  converged: boolean;
  iterations: number;
}

const ACCEPTABLE_GRADIENT = 1e-4;

/**
 * BFGS with a backtracking line search (Nocedal & Wright 2006, chapters 3 and 6), then Newton steps on differences of
 * the gradient while they are safe: the Hessian positive definite and the value not rising.
 *
 * Tolerances are of the largest absolute component of the gradient: `rough` where Newton takes over, which matters
 * only along boundaries, where Newton stops at once.
 */
export function minimize(
  objective: Objective,
  start: readonly number[],
  { tolerance = 1e-8, rough = 1e-6, maxIterations = 400 } = {},
): Minimum {
  return newton(objective, quasiNewton(objective, start, rough, maxIterations), tolerance);
}

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
    // no parameter of these models is moved by more than a factor e^3 (they are logarithms or logits) in a step
    let step = Math.min(fresh ? 1 / Math.max(1, largest(gradient)) : 1, 3 / largest(direction));
    let next = objective(moved(x, direction, step));
    let trial = 0;
    while (!(next.value <= value + 1e-4 * step * slope) && trial++ < 40) {
      step /= 2;
      next = objective(moved(x, direction, step));
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
    x = moved(x, direction, step);
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

function newton(objective: Objective, from: Minimum, tolerance: number): Minimum {
  let best = from;
  for (let i = 0; i < 8 && largest(best.gradient) > tolerance; i++) {
    const factor = Cholesky.of(hessian(objective, best.x));
    if (!factor) break;
    const step = factor.solve(best.gradient);
    if (largest(step) > 0.5) break;
    const x = moved(best.x, step, -1);
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

/** Second derivatives as central differences of the exact gradient, made symmetric. */
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

/** The BFGS update of an inverse Hessian, in place. */
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

function moved(x: readonly number[], direction: readonly number[], step: number): number[] {
  return x.map((value, i) => value + step * direction[i]);
}

function largest(vector: readonly number[]): number {
  return vector.reduce((most, component) => Math.max(most, Math.abs(component)), 0);
}
