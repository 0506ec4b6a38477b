import assert from "node:assert/strict";

/** Relative difference |actual − expected| / |expected|; 0 for equal numbers. */
export const relative = (actual: number, expected: number): number =>
  actual === expected ? 0 : Math.abs(actual - expected) / Math.max(Math.abs(expected), Number.MIN_VALUE);

/** Records residuals and asserts that the largest one is within a limit. */
export class Worst {
  private value = 0;
  private where = "nothing compared";
  private compared = 0;

  /** @param what name of the residual, for the error message */
  constructor(private readonly what: string) {}

  /** Records a residual; NaN counts as larger than any number. @param where names the comparison */
  see(residual: number, where: string): void {
    this.compared++;
    if (!(residual <= this.value)) {
      this.value = residual;
      this.where = where;
    }
  }

  /** Asserts that there was a residual and that none exceeds `limit`. */
  atMost(limit: number): void {
    assert.ok(this.compared > 0, `${this.what}: nothing was compared`);
    assert.ok(this.value <= limit, `${this.what}: ${this.value} at ${this.where}, limit ${limit}`);
  }
}
