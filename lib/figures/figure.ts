/** One row of plotted numbers, or of a table. Kinds of rows are type aliases, not interfaces: only those can be shown as tables. */
export type Row = Record<string, string | number | boolean | null>;

/** A Plotly trace and layout, as plotly.js documents them: https://plotly.com/javascript/reference/ */
export type Trace = Record<string, unknown>;
export type Layout = Record<string, unknown>;

/**
 * A figure of the paper: what to draw, the numbers in it, and the words under it.
 * Its size is `spec.layout.width` by `spec.layout.height`, at {@link PIXELS_PER_INCH} pixels an inch of paper.
 */
export interface Figure {
  /** File name without extension, for example "figure2a". */
  name: string;
  spec: { data: Trace[]; layout: Layout };
  /** The plotted numbers, one row a drawn point, box or bar: what the CSV file holds. */
  rows: Row[];
  caption: string;
}

/** 144: one typographic point is two pixels, and a figure has a readable size on the screen too. */
export const PIXELS_PER_INCH = 144;
