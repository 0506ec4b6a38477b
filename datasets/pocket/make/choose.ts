/** Random choices from seeded generators, used throughout the pocket data. */
import { shuffled } from "../../../lib/data/random";

/** A generator of uniform numbers in [0, 1). */
export type Random = () => number;

/** Draws one element uniformly. */
export const pick = <T>(from: readonly T[], random: Random): T => from[Math.floor(random() * from.length)];

/** Draws `count` different elements, in random order; all of them if there are fewer. */
export const pickSome = <T>(from: readonly T[], count: number, random: Random): T[] =>
  shuffled(from, random).slice(0, count);

/** Draws an integer from `low` to `high`, both included. */
export const between = (low: number, high: number, random: Random): number =>
  low + Math.floor(random() * (high - low + 1));
