import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after } from "node:test";
import { SHARED } from "../support/shared";

/** Reads tests/stats/fixtures/<name>.json. */
export function fixture<T>(name: string): T {
  return JSON.parse(readFileSync(join(__dirname, "fixtures", `${name}.json`), "utf8")) as T;
}

/** Reads a JSON file of the reference results in the shared folder beside the checkout. */
export function reference<T>(...path: string[]): T {
  return JSON.parse(readFileSync(join(SHARED, "reference", "stats", ...path), "utf8")) as T;
}

/** Converts columns of equal length to rows; entries that are not arrays are ignored. */
export function toRows(data: Record<string, unknown>): Record<string, unknown>[] {
  const columns = Object.entries(data).filter((entry): entry is [string, unknown[]] => Array.isArray(entry[1]));
  return columns[0][1].map((_, i) => Object.fromEntries(columns.map(([name, values]) => [name, values[i]])));
}

/** Largest residual of each quantity in this test file with its tolerance, printed after the last test. */
const worst = new Map<string, { residual: number; limit: number }>();
after(() => {
  for (const [quantity, { residual, limit }] of worst)
    console.log(`worst residual of ${quantity}: ${residual.toExponential(1)} (limit ${limit})`);
});

function record(quantity: string, residual: number, limit: number): void {
  if (residual >= (worst.get(quantity)?.residual ?? 0)) worst.set(quantity, { residual, limit });
}

/** Asserts that every number is within an absolute tolerance of the expected one. */
export function close(
  actual: readonly number[],
  expected: readonly number[],
  tolerance: number,
  quantity: string,
): void {
  assert.equal(actual.length, expected.length, quantity);
  expected.forEach((value, i) => {
    record(quantity, Math.abs(actual[i] - value), tolerance);
    assert.ok(Math.abs(actual[i] - value) <= tolerance, `${quantity} ${i}: ${actual[i]}, expected ${value}`);
  });
}

/** Asserts that every number is within a relative tolerance of the expected one; null fails. */
export function closeRelative(
  actual: readonly (number | null)[],
  expected: readonly number[],
  tolerance: number,
  quantity: string,
): void {
  assert.equal(actual.length, expected.length, quantity);
  expected.forEach((value, i) => {
    record(`${quantity} (relative)`, Math.abs(actual[i]! / value - 1), tolerance);
    assert.ok(Math.abs(actual[i]! / value - 1) <= tolerance, `${quantity} ${i}: ${actual[i]}, expected ${value}`);
  });
}

/** Asserts that every number is within a tolerance of the expected one, relative to 1 + its absolute value. */
export function closeEither(
  actual: readonly number[],
  expected: readonly number[],
  tolerance: number,
  quantity: string,
): void {
  const scaled = (values: readonly number[]): number[] => values.map((value, i) => value / (1 + Math.abs(expected[i])));
  close(scaled(actual), scaled(expected), tolerance, quantity);
}

/** A function's value with its derivatives. */
interface Point {
  value: number;
  gradient: readonly number[];
  hessian: readonly (readonly number[])[];
}

/**
 * Asserts that the gradient and the Hessian at a point are within 1e-7 of central differences of fourth order.
 *
 * @param also checks other derivatives by component j of the point, by differences of a value of it
 */
export function derivativesEqualDifferences<P extends Point>(
  evaluate: (x: number[]) => P,
  at: readonly number[],
  step = 1e-3,
  also?: (j: number, difference: (value: (point: P) => number) => number) => void,
): void {
  const { gradient, hessian } = evaluate([...at]);
  at.forEach((_, j) => {
    const points = [-2, -1, 1, 2].map((side) => evaluate(at.map((x, k) => (k === j ? x + side * step : x))));
    const difference = (value: (point: P) => number): number => fourthOrder(points.map(value), step);
    closeEither([gradient[j]], [difference(({ value }) => value)], 1e-7, "gradient");
    closeEither(
      at.map((__, i) => hessian[i][j]),
      at.map((__, i) => difference((point) => point.gradient[i])),
      1e-7,
      "Hessian",
    );
    also?.(j, difference);
  });
}

/**
 * Returns the central difference of fourth order.
 *
 * @param values at -2, -1, 1 and 2 steps
 */
function fourthOrder([a, b, c, d]: readonly number[], step: number): number {
  return (8 * (c - b) - (d - a)) / (12 * step);
}
