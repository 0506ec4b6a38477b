// One visual language for all figures. Sizes are those of a two-column paper: a column is 3.25 in wide, the page
// 6.75 in; no text is smaller than 7 pt. Lengths below are pixels, two to the point (see PIXELS_PER_INCH).
import { transformWeight, plwLabel } from "../data/prompt-loss-weight";
import { PIXELS_PER_INCH, type Layout } from "./figure";

// What another venue may ask for otherwise; set by useTheme, read when a figure is drawn.
export let COLUMN_INCHES = 3.25;
export let PAGE_INCHES = 6.75;
/**
 * The font of all figures, and its files: Open Sans from its npm package, others by path, or none for the machine's.
 */
export let FONT: { family: string; files?: "package" | Partial<Record<"regular" | "bold" | "italic", string>> } = {
  family: "Open Sans",
  files: "package",
};
export const SMALL = 14; // 7 pt: ticks and legends
export const TEXT = 15; // 7.5 pt: axis titles
export const INK = "#222222";
export const GRID = "#E4E4E4";
export const LINE = 2; // 1 pt

/**
 * Colors by data set. Lightness L* rises in steps of 12 at least (24, 37, 50, 62, 75), so that they stay apart in
 * greyscale; the closest pair is 30 ΔE*ab apart with normal, deuteranope, protanope and tritanope vision.
 */
const COLORS = ["#272C8B", "#21A0D8", "#90385A", "#ECAE31", "#5D8233"];
export let DATASET_COLORS: readonly string[] = COLORS;
const DATASET_MARKERS = ["circle", "square", "diamond", "triangle-up", "hexagon"] as const;
const MODEL_DASHES = ["solid", "dash", "dot", "dashdot"] as const;

/** Sizes, font and palette of all figures; see {@link useTheme}. */
export interface Theme {
  /** inches; default 3.25 and 6.75 */
  columnWidth?: number;
  pageWidth?: number;
  /** default Open Sans from its package; without `files` the machine's font of that family */
  font?: typeof FONT;
  /** one a data set, in the study's order; CSS colors */
  colors?: readonly string[];
}

/**
 * Sets width, font and palette of all figures that are drawn afterwards. Omitted settings return to their defaults;
 * text sizes do not change, so that text stays legible.
 *
 * @throws {RangeError} for a width outside 2.5 to 12 inches, or an empty palette
 */
export function useTheme({
  columnWidth = 3.25,
  pageWidth = 6.75,
  font = { family: "Open Sans", files: "package" },
  colors = COLORS,
}: Theme = {}): void {
  for (const [name, inches] of Object.entries({ columnWidth, pageWidth })) {
    if (!(inches >= 2.5 && inches <= 12))
      throw new RangeError(`useTheme: ${name} is ${inches} inches; it must be between 2.5 and 12.`);
  }
  if (colors.length === 0) throw new RangeError("useTheme: colors is empty; name at least one.");
  [COLUMN_INCHES, PAGE_INCHES, FONT, DATASET_COLORS] = [columnWidth, pageWidth, font, colors];
}

/**
 * The order in which data sets and models are assigned colors, markers and dashes. Made once from a study, it keeps
 * them the same in every figure, whichever of them a figure shows.
 */
export interface Look {
  datasets: readonly string[];
  models: readonly string[];
}

/** The look of rows by themselves: names in order of first appearance, after those of `look` if given. */
export function lookOf(rows: readonly { dataset?: string; model?: string }[], look?: Look): Look {
  const names = (given: readonly string[] = [], found: (string | undefined)[]): string[] => [
    ...new Set([...given, ...found.filter((name) => name !== undefined)]),
  ];
  return {
    datasets: names(
      look?.datasets,
      rows.map((row) => row.dataset),
    ),
    models: names(
      look?.models,
      rows.map((row) => row.model),
    ),
  };
}

/** Color and marker of a data set. After five data sets colors repeat with another marker. */
export function datasetStyle(look: Look, dataset: string): { color: string; symbol: string } {
  const index = Math.max(0, look.datasets.indexOf(dataset));
  const round = Math.floor(index / DATASET_COLORS.length);
  return {
    color: DATASET_COLORS[index % DATASET_COLORS.length],
    symbol: DATASET_MARKERS[(index + round) % DATASET_MARKERS.length],
  };
}

/** Dash and marker fill of a model: the first is solid and filled, the second dashed and open, and so on. */
export function modelStyle(look: Look, model: string): { dash: string; open: boolean } {
  const index = Math.max(0, look.models.indexOf(model));
  return { dash: MODEL_DASHES[index % MODEL_DASHES.length], open: index % 2 === 1 };
}

/** A color from dark to light along the PLWs of a figure, position in [0, 1]: viridis without its lightest third. */
export function sequentialColor(position: number): string {
  const stops = [
    [68, 1, 84],
    [65, 68, 135],
    [42, 120, 142],
    [34, 168, 132],
    [122, 209, 81],
  ];
  const at = Math.min(Math.max(position, 0), 1) * (stops.length - 1);
  const below = Math.min(Math.floor(at), stops.length - 2);
  const mix = (channel: number): number =>
    Math.round(stops[below][channel] + (at - below) * (stops[below + 1][channel] - stops[below][channel]));
  return `rgb(${mix(0)},${mix(1)},${mix(2)})`;
}

/** Layout shared by all figures; `inches` is the size on paper. */
export function baseLayout(inches: { width: number; height: number }, rest: Layout): Layout {
  return {
    width: Math.round(inches.width * PIXELS_PER_INCH),
    height: Math.round(inches.height * PIXELS_PER_INCH),
    font: { family: `${FONT.family}, Arial, Helvetica, sans-serif`, size: SMALL, color: INK },
    paper_bgcolor: "white",
    plot_bgcolor: "white",
    hovermode: "closest",
    ...rest,
  };
}

/** A plain axis in the theme. */
export function axis(title: string | null, rest: Layout = {}): Layout {
  return {
    ...(title === null ? {} : { title: { text: title, font: { size: TEXT }, standoff: 6 } }),
    showline: true,
    linecolor: INK,
    linewidth: 1,
    ticks: "outside",
    ticklen: 5,
    tickwidth: 1,
    tickcolor: INK,
    tickfont: { size: SMALL },
    gridcolor: GRID,
    gridwidth: 1,
    zeroline: false,
    ...rest,
  };
}

/**
 * The axis of transformed PLW (w_p = PLW^0.30103), with a tick at each weight, labelled with the PLW itself.
 * Labels that would touch are left out, the rounder number first served; the tick stays.
 *
 * @param plws the weights that are drawn, in any order
 * @param pixels length of the axis
 */
export function plwAxis(plws: readonly number[], pixels: number, rest: Layout = {}): Layout {
  const weights = [...new Set(plws)].sort((a, b) => a - b);
  const positions = weights.map(transformWeight);
  const [low, high] = weights.length > 0 ? [positions[0], positions[positions.length - 1]] : [0, 1];
  const margin = 0.04 * Math.max(high - low, 0.1);
  const range = [low - margin, high + margin];
  const shown = legibleLabels(
    weights,
    positions.map((w) => ((w - range[0]) / (range[1] - range[0])) * pixels),
  );
  return axis("prompt loss weight", {
    range,
    tickvals: positions,
    ticktext: weights.map((plw) => (shown.has(plw) ? plwLabel(plw) : "")),
    tickangle: 0,
    ...rest,
  });
}

function legibleLabels(weights: number[], pixels: number[]): Set<number> {
  const digits = (plw: number): number =>
    Number(plw.toPrecision(2)).toExponential().split("e")[0].replace(".", "").length;
  const isPowerOfTen = (plw: number): boolean => plw > 0 && Number.isInteger(Math.log10(plw));
  const rank = (i: number): number =>
    i === 0 || i === weights.length - 1 ? 0 : isPowerOfTen(weights[i]) ? 1 : digits(weights[i]) + 1;
  const halfWidth = (i: number): number => plwLabel(weights[i]).length * SMALL * 0.29;
  const kept: number[] = [];
  const order = weights.map((_, i) => i).sort((a, b) => rank(a) - rank(b) || b - a);
  for (const i of order) {
    const clear = kept.every((j) => Math.abs(pixels[i] - pixels[j]) >= halfWidth(i) + halfWidth(j) + SMALL * 0.35);
    if (clear) kept.push(i);
  }
  return new Set(kept.map((i) => weights[i]));
}

/** A panel's title, centered above it, for `layout.annotations`; position in the coordinates of the whole plot. */
export function panelTitle(text: string, center: number, top: number): Layout {
  return {
    text: `<b>${escapeText(text)}</b>`,
    x: center,
    y: top,
    xref: "paper",
    yref: "paper",
    xanchor: "center",
    yanchor: "bottom",
    yshift: 3,
    showarrow: false,
    font: { size: TEXT },
  };
}

/** A panel's title with its letter, "(b) Short"; a figure of one panel needs none. */
export function lettered(title: string, index: number, count: number): string {
  return count > 1 ? `(${String.fromCharCode(97 + index)}) ${title}` : title;
}

/** Text from data as Plotly shows it literally: Plotly reads a few HTML tags in any text. */
export function escapeText(text: string): string {
  return text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
}

/** Colors, markers and dashes of a study: by the order in which it lists its data sets and models. */
export function studyLook(study: { datasets: object; models: object }): Look {
  return { datasets: Object.keys(study.datasets), models: Object.keys(study.models) };
}
