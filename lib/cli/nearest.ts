import { editDistance } from "../data/edit-distance";

/** How many names are suggested at most. */
const AT_MOST = 3;

/**
 * The names that are nearest to a misspelt one: those that begin with it, and those within a third of its letters.
 * @returns at most three, the nearest first; empty if none is near
 */
export function nearest(wrong: string, names: readonly string[]): string[] {
  const limit = Math.max(1, Math.floor(wrong.length / 3));
  return names
    .map((name) => ({ name, distance: isBeginning(wrong, name) ? 0 : editDistance(wrong, name) }))
    .filter(({ distance }) => distance <= limit)
    .sort((a, b) => a.distance - b.distance)
    .slice(0, AT_MOST)
    .map(({ name }) => name);
}

/** "Did you mean …?" with a leading space, or nothing. */
export function suggestion(wrong: string, names: readonly string[], prefix = ""): string {
  const near = nearest(wrong, names).map((name) => `${prefix}${name}`);
  return near.length === 0 ? "" : ` Did you mean ${near.join(" or ")}?`;
}

const isBeginning = (part: string, name: string): boolean => part.length >= 2 && name.startsWith(part);
