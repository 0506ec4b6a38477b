/** Seeded choices, used by every generator of the pocket data. */
import { shuffled } from "../../../lib/data/random";

export type Random = () => number;

export const pick = <T>(from: readonly T[], random: Random): T => from[Math.floor(random() * from.length)];

export const pickSome = <T>(from: readonly T[], count: number, random: Random): T[] =>
  shuffled(from, random).slice(0, count);

/** A whole number from `low` to `high`, both included. */
export const between = (low: number, high: number, random: Random): number =>
  low + Math.floor(random() * (high - low + 1));
