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

/** Number of letters to insert, delete, replace, or exchange with their neighbour. */
function editDistance(a: string, b: string): number {
  const rows = Array.from({ length: a.length + 1 }, (_, i) => [i, ...Array<number>(b.length).fill(0)]);
  rows[0] = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++)
    for (let j = 1; j <= b.length; j++) {
      const isSame = a[i - 1] === b[j - 1];
      rows[i][j] = Math.min(rows[i - 1][j] + 1, rows[i][j - 1] + 1, rows[i - 1][j - 1] + (isSame ? 0 : 1));
      const isExchanged = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (isExchanged) rows[i][j] = Math.min(rows[i][j], rows[i - 2][j - 2] + 1);
    }
  return rows[a.length][b.length];
}
