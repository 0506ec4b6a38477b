import type { Layout } from "./figure";
import { plwAxis } from "./theme";

/** One panel of a figure: which axes draw it, and where it lies. */
export interface Panel {
  /** For a trace's `xaxis` and `yaxis`: "x", "x2", … */
  x: string;
  y: string;
  /** For the layout: "xaxis", "xaxis2", … */
  xaxis: string;
  yaxis: string;
  /** In the coordinates of the plot area, 0 to 1. */
  domain: { x: [number, number]; y: [number, number] };
  /** Length of the horizontal axis. */
  pixels: number;
  center: number;
  top: number;
  /** Whether the panel is the first of its row, the last of its column. */
  isLeft: boolean;
  isBottom: boolean;
}

export interface PanelGrid {
  count: number;
  columns: number;
  /** Of the whole figure, in pixels. */
  width: number;
  height: number;
  margin: { l: number; r: number; t: number; b: number };
  /** Between panels, in pixels. */
  gap: { x: number; y: number };
}

/** Panels of equal size in reading order; a last row that is not full leaves its place empty. */
export function panelGrid({ count, columns: most, width, height, margin, gap }: PanelGrid): Panel[] {
  const columns = Math.min(most, count);
  const rows = Math.ceil(count / columns);
  const inner = { width: width - margin.l - margin.r, height: height - margin.t - margin.b };
  const size = {
    width: (inner.width - gap.x * (columns - 1)) / columns,
    height: (inner.height - gap.y * (rows - 1)) / rows,
  };
  return Array.from({ length: count }, (_, i) => {
    const [row, column] = [Math.floor(i / columns), i % columns];
    const left = (column * (size.width + gap.x)) / inner.width;
    const top = 1 - (row * (size.height + gap.y)) / inner.height;
    const [right, bottom] = [left + size.width / inner.width, top - size.height / inner.height];
    const suffix = i === 0 ? "" : String(i + 1);
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
      isBottom: i + columns >= count,
    };
  });
}

/**
 * Horizontal legends one under the other at the top of a figure, each wrapped into columns of equal width.
 * The result holds them as "legend", "legend2", …; a click on an entry of the first hides its `legendgroup`.
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

/** The margin that {@link topLegends} need. */
export function legendsHeight(groups: readonly (readonly string[])[], width: number, fontSize: number): number {
  return groups.reduce((sum, names) => sum + legendSize(names, width, fontSize).height, 6);
}

function legendSize(names: readonly string[], width: number, fontSize: number): { text: number; height: number } {
  const text = Math.ceil(Math.max(0, ...names.map((name) => name.length)) * fontSize * 0.57);
  const symbol = 45; // what Plotly sets before the text, and between entries
  const columns = Math.max(1, Math.floor((width - 20) / (text + symbol)));
  return { text, height: Math.ceil(names.length / columns) * (fontSize * 1.36 + 5) };
}

/** The PLW axis of a panel; only panels at the bottom of the grid have a title. */
export function panelPlwAxis(plws: readonly number[], { pixels, domain, y, isBottom }: Panel): Layout {
  return {
    ...plwAxis(plws, pixels),
    anchor: y,
    domain: domain.x,
    ...(isBottom ? {} : { title: undefined }),
  };
}
