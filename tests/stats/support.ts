import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
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

/** Every number within an absolute tolerance. */
export function close(actual: readonly number[], expected: readonly number[], tolerance: number, what: string): void {
  assert.equal(actual.length, expected.length, what);
  expected.forEach((value, i) => assert.ok(Math.abs(actual[i] - value) <= tolerance, `${what} ${i}: ${actual[i]}, expected ${value}`));
}

/** Every number within a relative tolerance; null counts as a failure. */
export function closeRelative(actual: readonly (number | null)[], expected: readonly number[], tolerance: number, what: string): void {
  assert.equal(actual.length, expected.length, what);
  expected.forEach((value, i) => assert.ok(Math.abs(actual[i]! / value - 1) <= tolerance, `${what} ${i}: ${actual[i]}, expected ${value}`));
}
