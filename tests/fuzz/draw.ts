import { seededRandom } from "../../lib/data/random";

/** Draws of one input; the same seed parts give the same input. */
export class Draw {
  private readonly next: () => number;

  constructor(...seed: (number | string)[]) {
    this.next = seededRandom("fuzz", ...seed);
  }

  /** A whole number from 0 to `below` − 1. */
  int(below: number): number {
    return Math.floor(this.next() * below);
  }

  /** True with a probability. */
  chance(probability: number): boolean {
    return this.next() < probability;
  }

  /** One of the entries. */
  pick<T>(list: readonly T[]): T {
    return list[this.int(list.length)];
  }
}
