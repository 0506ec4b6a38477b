import { DataError } from "../data/errors";

/**
 * One row of the numbers behind a figure or table. Row types are type aliases, not interfaces, because only aliases are
 * assignable to this index signature and can be shown as tables.
 */
export type Row = Record<string, string | number | boolean | null>;

/** A Plotly trace, documented at https://plotly.com/javascript/reference/ */
export type Trace = Record<string, unknown>;

/** A Plotly layout or a part of one, documented at https://plotly.com/javascript/reference/layout/ */
export type Layout = Record<string, unknown>;

/**
 * A figure: its drawing, the plotted numbers and the caption. Its size is `spec.layout.width` × `spec.layout.height`
 * pixels, at `PIXELS_PER_INCH` pixels per inch on paper.
 */
export interface Figure {
  /** file name without extension, for example "figure2a" */
  name: string;
  /** Plotly figure */
  spec: { data: Trace[]; layout: Layout };
  /** plotted numbers, one row per drawn point, box or bar; saved as a CSV file */
  rows: Row[];
  /** caption as plain text */
  caption: string;
  /**
   * what the rows include and the drawing does not show, one phrase each, for example "arm tokens · lr 1e-4: …"; the
   * caption says so too. Absent if everything is shown
   */
  leftOut?: readonly string[];
}

/** Pixels per inch on paper: 144, so that one typographic point is two pixels and figures are legible on a screen. */
export const PIXELS_PER_INCH = 144;

/**
 * Checks that a figure is not made of a number that is NaN or infinite.
 * @throws {DataError} naming figure, row and column
 */
export function checkNumbers({ name = "figure", rows }: { name?: string; rows: Row[] }): void {
  rows.forEach((row, index) => {
    for (const [column, value] of Object.entries(row)) {
      if (typeof value !== "number" || Number.isFinite(value)) continue;
      throw new DataError(
        `${name}: "${column}" is ${value} in row ${index} (${JSON.stringify(row)}). ` +
          "Leave such rows out, or compute the value again, before drawing.",
      );
    }
  });
}
