// Places for the labels of contour lines: on the line, away from the frame, from the data and from each other.

/** A function on a grid: `values` has one row per element of `y` and one column per element of `x`. */
export interface GridSurface {
  /** ascending */
  x: readonly number[];
  /** ascending */
  y: readonly number[];
  values: readonly (readonly number[])[];
}

/** A place in the coordinates of the grid. */
export interface Place {
  x: number;
  y: number;
}

/** A contour line's level, and where its label has most space. */
export type ContourLabel = Place & { level: number };

/** Half the width and height of a label or of what it must not cover, in units of x and of y. */
export interface Extent {
  x: number;
  y: number;
}

/**
 * Places one label per level, in the given order: at the point of the contour line that is farthest from all obstacles,
 * from the labels placed before, and from the frame. A level without a line, or with no space on it, has none.
 *
 * @param options.extent half the size of a label
 * @param options.obstacles places to keep free, with half their size
 */
export function contourLabels(
  surface: GridSurface,
  levels: readonly number[],
  { extent, obstacles }: { extent: Extent; obstacles: readonly (Place & { extent: Extent })[] },
): ContourLabel[] {
  const placed: ContourLabel[] = [];
  const [left, right] = [surface.x[0], surface.x[surface.x.length - 1]];
  const [bottom, top] = [surface.y[0], surface.y[surface.y.length - 1]];
  /** At least 1 where a label fits; larger with more space around it. */
  const space = ({ x, y }: Place): number =>
    Math.min(
      Math.min(x - left, right - x) / extent.x,
      Math.min(y - bottom, top - y) / extent.y,
      ...[...obstacles, ...placed.map((label) => ({ ...label, extent }))].map((other) =>
        Math.max(
          Math.abs(x - other.x) / (extent.x + other.extent.x),
          Math.abs(y - other.y) / (extent.y + other.extent.y),
        ),
      ),
    );
  for (const level of levels) {
    const candidates = crossings(surface, level).map((place) => ({ ...place, space: space(place) }));
    const best = candidates.reduce<(typeof candidates)[number] | undefined>(
      (most, candidate) => (most && most.space >= candidate.space ? most : candidate),
      undefined,
    );
    if (best && best.space >= 1) placed.push({ level, x: best.x, y: best.y });
  }
  return placed;
}

/** Where a contour line crosses the lines of the grid, by linear interpolation. */
function crossings({ x, y, values }: GridSurface, level: number): Place[] {
  const between = (from: number, to: number): number | undefined =>
    from < level !== to < level ? (level - from) / (to - from) : undefined;
  return y.flatMap((_, i) =>
    x.flatMap((_, j): Place[] => {
      const right = j + 1 < x.length ? between(values[i][j], values[i][j + 1]) : undefined;
      const up = i + 1 < y.length ? between(values[i][j], values[i + 1][j]) : undefined;
      return [
        ...(right === undefined ? [] : [{ x: x[j] + right * (x[j + 1] - x[j]), y: y[i] }]),
        ...(up === undefined ? [] : [{ x: x[j], y: y[i] + up * (y[i + 1] - y[i]) }]),
      ];
    }),
  );
}
