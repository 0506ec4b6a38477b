import assert from "node:assert/strict";

/** Relative difference; 0 for equal numbers. */
export const relative = (actual: number, expected: number): number =>
  actual === expected ? 0 : Math.abs(actual - expected) / Math.max(Math.abs(expected), Number.MIN_VALUE);

/** Collects residuals and holds the worst one to a limit; says which it was. */
export class Worst {
  private value = 0;
  private where = "nothing compared";
  private compared = 0;

  constructor(private readonly what: string) {}

  see(residual: number, where: string): void {
    this.compared++;
    if (!(residual <= this.value)) {
      this.value = residual;
      this.where = where;
    }
  }

  atMost(limit: number): void {
    assert.ok(this.compared > 0, `${this.what}: nothing was compared`);
    assert.ok(this.value <= limit, `${this.what}: ${this.value} at ${this.where}, limit ${limit}`);
  }
}
