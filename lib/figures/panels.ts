import type { Layout } from "./figure";
import { plwAxis, TEXT, textWidth } from "./theme";

/** Axes and position of one panel of a figure. Coordinates are those of the plot area, 0 to 1, with 1 at the top. */
export interface Panel {
  /** value of a trace's `xaxis`: "x", "x2", … */
  x: string;
  /** value of a trace's `yaxis`: "y", "y2", … */
  y: string;
  /** key in the layout: "xaxis", "xaxis2", … */
  xaxis: string;
  /** key in the layout: "yaxis", "yaxis2", … */
  yaxis: string;
  /** from left to right and from bottom to top */
  domain: { x: [number, number]; y: [number, number] };
  /** length of the horizontal axis, width of the panel, in pixels */
  pixels: number;
  /** horizontal center */
  center: number;
  /** upper edge */
  top: number;
  /** whether the panel is the first of its row */
  isLeft: boolean;
  /** whether the panel is the last of its column */
  isBottom: boolean;
  /** whether the panel is the last of its column in its facet */
  endsFacet: boolean;
  /** height in pixels */
  height: number;
}

/** Settings of {@link panelGrid}; all sizes in pixels. */
export interface PanelGrid {
  /** number of panels; in a figure of several facets, of each facet */
  count: number;
  /** maximum number of columns; fewer are used for fewer panels */
  columns: number;
  /** width of the whole figure */
  width: number;
  /** height of the whole figure */
  height: number;
  /** distance of the plot area from the left, right, top and bottom edges */
  margin: { l: number; r: number; t: number; b: number };
  /** horizontal and vertical space between panels */
  gap: { x: number; y: number };
  /** number of facets, blocks of equal panels one below the other; default 1 */
  facets?: number;
  /** vertical space between facets in addition to `gap.y`; default 0 */
  facetGap?: number;
}

/**
 * Divides the plot area into panels of equal size. An incomplete last row leaves space on the right.
 *
 * @returns one panel per index, in reading order, facet by facet
 */
export function panelGrid(settings: PanelGrid): Panel[] {
  const { count, columns: maxColumns, width, height, margin, gap, facets = 1, facetGap = 0 } = settings;
  const columns = Math.min(maxColumns, count);
  const facetRows = Math.ceil(count / columns);
  const rows = facets * facetRows;
  const inner = { width: width - margin.l - margin.r, height: height - margin.t - margin.b };
  const size = {
    width: (inner.width - gap.x * (columns - 1)) / columns,
    height: (inner.height - gap.y * (rows - 1) - facetGap * (facets - 1)) / rows,
  };
  return Array.from({ length: facets * count }, (_, index) => {
    const [facet, i] = [Math.floor(index / count), index % count];
    const [row, column] = [facet * facetRows + Math.floor(i / columns), i % columns];
    const left = (column * (size.width + gap.x)) / inner.width;
    const top = 1 - (row * (size.height + gap.y) + facet * facetGap) / inner.height;
    const [right, bottom] = [left + size.width / inner.width, top - size.height / inner.height];
    const suffix = index === 0 ? "" : String(index + 1);
    return {
      x: `x${suffix}`,
      y: `y${suffix}`,
      xaxis: `xaxis${suffix}`,
      yaxis: `yaxis${suffix}`,
      domain: { x: [left, Math.min(right, 1)], y: [Math.max(bottom, 0), top] },
      pixels: size.width,
      center: (left + right) / 2,
      top,
      isLeft: column === 0,
      isBottom: facet === facets - 1 && i + columns >= count,
      endsFacet: i + columns >= count,
      height: size.height,
    };
  });
}

/**
 * Returns the width of a panel of {@link panelGrid} in pixels.
 *
 * @param settings as for `panelGrid`
 */
export function panelWidth({
  count,
  columns,
  width,
  margin,
  gap,
}: Pick<PanelGrid, "count" | "columns" | "width" | "margin" | "gap">): number {
  const used = Math.max(1, Math.min(columns, count));
  return (width - margin.l - margin.r - gap.x * (used - 1)) / used;
}

/**
 * Chooses the number of columns of a figure so that no panel title reaches into that of its neighbor.
 *
 * @param titles of the panels, with letters
 * @param most maximum number of columns
 * @param settings as for `panelGrid`
 * @returns at least 1
 */
export function columnsFor(
  titles: readonly string[],
  most: number,
  settings: Pick<PanelGrid, "width" | "margin" | "gap">,
): number {
  const widest = Math.max(0, ...titles.map((title) => textWidth(title, TEXT, true)));
  const fits = (columns: number): boolean =>
    panelWidth({ ...settings, count: titles.length, columns }) + settings.gap.x >= widest + 8;
  const from = Math.max(1, Math.min(most, titles.length));
  return Array.from({ length: from }, (_, i) => from - i).find(fits) ?? 1;
}

/**
 * Lays out horizontal legends one below the other at the top of a figure. A legend has one row if its entries fit in
 * one; else they stand in columns of equal width, as many as leave no entry alone in the last row. A click on an entry
 * of the first legend hides its `legendgroup`; the other legends do not react.
 *
 * @param groups entry names of each legend
 * @param figure width available to the legends, and height of the figure, in pixels
 * @param fontSize in pixels
 * @returns layout with the keys "legend", "legend2", …
 */
export function topLegends(
  groups: readonly (readonly string[])[],
  figure: { width: number; height: number },
  fontSize: number,
): Layout {
  const layout: Layout = {};
  let offset = 0;
  for (const [i, names] of groups.entries()) {
    const { entry, height } = legendSize(names, figure.width, fontSize);
    layout[i === 0 ? "legend" : `legend${i + 1}`] = {
      orientation: "h",
      x: 0,
      xref: "container",
      xanchor: "left",
      y: 1 - offset / figure.height,
      yref: "container",
      yanchor: "top",
      ...(entry !== null && { entrywidth: entry, entrywidthmode: "pixels" }),
      font: { size: fontSize },
      traceorder: "normal",
      ...(i > 0 && { itemclick: false, itemdoubleclick: false }),
      bgcolor: "rgba(0,0,0,0)",
    };
    offset += height;
  }
  return layout;
}

/**
 * Computes the height of the legends of {@link topLegends}, with 6 pixels of space.
 *
 * @param groups entry names of each legend
 * @param width available to the legends, in pixels
 * @param fontSize in pixels
 * @returns pixels
 */
export function legendsHeight(groups: readonly (readonly string[])[], width: number, fontSize: number): number {
  return groups.reduce((sum, names) => sum + legendSize(names, width, fontSize).height, 6);
}

/** Width of the symbol before the text of a legend entry and of the space between entries, as set by Plotly. */
const LEGEND_SYMBOL = 46;

/**
 * Estimates the text width of an entry, null if all entries stand in one row and each has its own width, and the height
 * of a legend, in pixels.
 */
function legendSize(
  names: readonly string[],
  width: number,
  fontSize: number,
): { entry: number | null; height: number } {
  const line = fontSize * 1.36 + 5;
  const widths = names.map((name) => textWidth(name, fontSize));
  const available = width - 20;
  if (widths.reduce((sum, text) => sum + text + LEGEND_SYMBOL, 0) <= available)
    return { entry: null, height: names.length === 0 ? 0 : line };
  const most = Math.max(1, Math.floor(available / (Math.max(...widths) + LEGEND_SYMBOL)));
  const columns = legendColumns(names.length, most);
  const entry = Math.max(...widths, Math.floor(Math.min(available / columns, 300)) - LEGEND_SYMBOL);
  return { entry, height: Math.ceil(names.length / columns) * line };
}

/** Columns of a legend of several rows: the fewest rows that leave no entry alone in the last, if possible. */
function legendColumns(entries: number, most: number): number {
  const balanced = Math.ceil(entries / Math.ceil(entries / most));
  const choices = Array.from({ length: Math.max(0, balanced - 1) }, (_, i) => balanced - i);
  return choices.find((columns) => entries % columns !== 1) ?? balanced;
}

/**
 * Returns the PLW axis of a panel. Only the lowest panels of each facet have tick labels, and only those of the grid a title.
 *
 * @param plws PLWs drawn in the figure, in any order
 * @param right pixels that stay free at the right end, for labels of lines; default 0
 */
export function panelPlwAxis(
  plws: readonly number[],
  { pixels, domain, y, isBottom, endsFacet }: Panel,
  { right = 0, labels = endsFacet }: { right?: number; labels?: boolean } = {},
): Layout {
  return {
    ...plwAxis(plws, pixels, {}, right),
    anchor: y,
    domain: domain.x,
    ...(!labels && { showticklabels: false }),
    ...(!isBottom && { title: undefined }),
  };
}
