import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after } from "node:test";
import { SHARED } from "../support/shared";

/** JSON of tests/stats/fixtures. */
export function fixture<T>(name: string): T {
  return JSON.parse(readFileSync(join(__dirname, "fixtures", `${name}.json`), "utf8")) as T;
}

/** JSON of the reference beside the checkout. */
export function reference<T>(...path: string[]): T {
  return JSON.parse(readFileSync(join(SHARED, "reference", "stats", ...path), "utf8")) as T;
}

/** Columns of equal length as rows. */
export function toRows(data: Record<string, unknown>): Record<string, unknown>[] {
  const columns = Object.entries(data).filter((entry): entry is [string, unknown[]] => Array.isArray(entry[1]));
  return columns[0][1].map((_, i) => Object.fromEntries(columns.map(([name, values]) => [name, values[i]])));
}

/** The largest residual of each quantity of this test file, and its limit: printed at its end. */
const worst = new Map<string, { residual: number; limit: number }>();
after(() => {
  for (const [what, { residual, limit }] of worst)
    console.log(`worst residual of ${what}: ${residual.toExponential(1)} (limit ${limit})`);
});

function record(what: string, residual: number, limit: number): void {
  if (residual >= (worst.get(what)?.residual ?? 0)) worst.set(what, { residual, limit });
}

/** Every number within an absolute tolerance. */
export function close(actual: readonly number[], expected: readonly number[], tolerance: number, what: string): void {
  assert.equal(actual.length, expected.length, what);
  expected.forEach((value, i) => {
    record(what, Math.abs(actual[i] - value), tolerance);
    assert.ok(Math.abs(actual[i] - value) <= tolerance, `${what} ${i}: ${actual[i]}, expected ${value}`);
  });
}

/** Every number within a relative tolerance; null counts as a failure. */
export function closeRelative(
  actual: readonly (number | null)[],
  expected: readonly number[],
  tolerance: number,
  what: string,
): void {
  assert.equal(actual.length, expected.length, what);
  expected.forEach((value, i) => {
    record(`${what} (relative)`, Math.abs(actual[i]! / value - 1), tolerance);
    assert.ok(Math.abs(actual[i]! / value - 1) <= tolerance, `${what} ${i}: ${actual[i]}, expected ${value}`);
  });
}
