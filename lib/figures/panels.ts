import type { Layout } from "./figure";
import { plwAxis } from "./theme";

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
  /** length of the horizontal axis in pixels */
  pixels: number;
  /** horizontal center */
  center: number;
  /** upper edge */
  top: number;
  /** whether the panel is the first of its row */
  isLeft: boolean;
  /** whether the panel is the last of its column */
  isBottom: boolean;
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
    };
  });
}

/**
 * Lays out horizontal legends one below the other at the top of a figure, each wrapped into columns of equal width. A
 * click on an entry of the first legend hides its `legendgroup`; the other legends do not react.
 *
 * @param groups entry names of each legend; their lengths determine the column width
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
    const { text, height } = legendSize(names, figure.width, fontSize);
    layout[i === 0 ? "legend" : `legend${i + 1}`] = {
      orientation: "h",
      x: 0,
      xref: "container",
      xanchor: "left",
      y: 1 - offset / figure.height,
      yref: "container",
      yanchor: "top",
      entrywidth: text,
      entrywidthmode: "pixels",
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

/** Estimates the text width of an entry and the height of a legend, in pixels. */
function legendSize(names: readonly string[], width: number, fontSize: number): { text: number; height: number } {
  const text = Math.ceil(Math.max(0, ...names.map((name) => name.length)) * fontSize * 0.57);
  const symbol = 45; // width of the symbol before the text and of the space between entries, as set by Plotly
  const columns = Math.max(1, Math.floor((width - 20) / (text + symbol)));
  return { text, height: Math.ceil(names.length / columns) * (fontSize * 1.36 + 5) };
}

/**
 * Returns the PLW axis of a panel. Only panels at the bottom of the grid have a title.
 *
 * @param plws PLWs drawn in the figure, in any order
 */
export function panelPlwAxis(plws: readonly number[], { pixels, domain, y, isBottom }: Panel): Layout {
  return {
    ...plwAxis(plws, pixels),
    anchor: y,
    domain: domain.x,
    ...(isBottom ? {} : { title: undefined }),
  };
}
