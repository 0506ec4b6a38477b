// Sizes, fonts, colors and axes shared by all figures. The default sizes fit a two-column paper: a column is 3.25 in
// wide, the page 6.75 in; no text is smaller than 7 pt. Lengths below are pixels, two per point (see PIXELS_PER_INCH).
import type * as v from "valibot";
import { anObject, checkOptions, texts } from "../data/arguments";
import { objectOf, listOf, rule, text } from "../data/validate";
import { transformWeight, plwLabel } from "../data/prompt-loss-weight";
import { visibleText } from "../data/visible-text";
import { PIXELS_PER_INCH, type Layout } from "./figure";

// Settings that differ between publishers: set by useTheme, read when a figure is drawn.
/** Width of a column in inches. */
export let COLUMN_INCHES = 3.25;
/** Width of the text area of a page in inches. */
export let PAGE_INCHES = 6.75;
/**
 * Font of all figures. `files` is "package" for Open Sans from its npm package, or the paths of font files by style;
 * without `files`, the font of that family installed on the machine is used.
 */
export let FONT: { family: string; files?: "package" | Partial<Record<"regular" | "bold" | "italic", string>> } = {
  family: "Open Sans",
  files: "package",
};
/** Text size of tick labels and legends: 7 pt. */
export const SMALL = 14;
/** Text size of axis titles and panel titles: 7.5 pt. */
export const TEXT = 15;
/** Color of text and axes. */
export const INK = "#222222";
/** Color of grid lines. */
export const GRID = "#E4E4E4";
/** Line width of curves: 1 pt. */
export const LINE = 2;

/**
 * Default colors of data sets. Sorted by lightness, their L* values (24, 37, 50, 62, 75) are about 12 or more apart, so
 * that the colors can be distinguished in greyscale. The closest pair differs by 30 ΔE*ab with normal, deuteranope,
 * protanope and tritanope vision.
 */
const COLORS = ["#272C8B", "#21A0D8", "#90385A", "#ECAE31", "#5D8233"];
/** Colors of data sets in the order of the {@link Look}; CSS colors. */
export let DATASET_COLORS: readonly string[] = COLORS;
const DATASET_MARKERS = ["circle", "square", "diamond", "triangle-up", "hexagon"] as const;
const MODEL_DASHES = ["solid", "dash", "dot", "dashdot"] as const;

const inches = rule(
  "a number of inches between 2.5 and 12",
  (value) => (value as number) >= 2.5 && (value as number) <= 12,
);

/** Widths, font and palette of all figures; see {@link useTheme}. */
export interface Theme {
  /** inches, 2.5 to 12; default 3.25 */
  columnWidth?: number;
  /** inches, 2.5 to 12; default 6.75 */
  pageWidth?: number;
  /** default: Open Sans from its npm package; without `files`, the font of that family installed on the machine */
  font?: typeof FONT;
  /** CSS colors of the data sets in the study's order; reused with other markers if there are more data sets */
  colors?: readonly string[];
}

/**
 * Sets widths, font and palette of all figures that are drawn afterwards. Omitted settings return to their defaults.
 * Text sizes do not change, so that text remains legible.
 *
 * @throws {DataError} if a width is not between 2.5 and 12 inches, or `colors` is empty; the theme is then unchanged
 */
export function useTheme(theme: Theme = {}): void {
  const {
    columnWidth = 3.25,
    pageWidth = 6.75,
    font = { family: "Open Sans", files: "package" },
    colors = COLORS,
  } = checkOptions("useTheme", theme, { columnWidth: inches, pageWidth: inches, font: anObject, colors: listOf(text) });
  [COLUMN_INCHES, PAGE_INCHES, FONT, DATASET_COLORS] = [columnWidth, pageWidth, font, colors];
}

/**
 * Order in which colors, markers and dashes are assigned to data sets and models. If all figures of a study use the
 * same look, a data set or model has the same style in each of them, even if a figure shows only some.
 */
export interface Look {
  /** names, which get color and marker */
  datasets: readonly string[];
  /** names, which get dash and marker fill */
  models: readonly string[];
}

/** Schema of a {@link Look}. */
export const lookSchema: v.GenericSchema = objectOf({ datasets: texts, models: texts });

/**
 * Checks the options of a figure that has no others than its look.
 * @param where name of the function, which begins the error message
 * @throws {DataError} naming the option
 */
export function checkLook(where: string, options: { look?: Look }): void {
  checkOptions(where, options, { look: lookSchema });
}

/**
 * Returns a look that includes every data set and model of the rows.
 *
 * @returns the names of `look`, if given, followed by the other names in order of first appearance
 */
export function lookOf(rows: readonly { dataset?: string; model?: string }[], look?: Look): Look {
  const union = (known: readonly string[] = [], found: (string | undefined)[]): string[] => [
    ...new Set([...known, ...found.filter((name) => name !== undefined)]),
  ];
  return {
    datasets: union(
      look?.datasets,
      rows.map((row) => row.dataset),
    ),
    models: union(
      look?.models,
      rows.map((row) => row.model),
    ),
  };
}

/**
 * Returns color and marker of a data set. With more data sets than colors, colors repeat with another marker.
 *
 * @returns a CSS color and the name of a Plotly marker symbol
 */
export function datasetStyle(look: Look, dataset: string): { color: string; symbol: string } {
  const index = Math.max(0, look.datasets.indexOf(dataset));
  const round = Math.floor(index / DATASET_COLORS.length);
  return {
    color: DATASET_COLORS[index % DATASET_COLORS.length],
    symbol: DATASET_MARKERS[(index + round) % DATASET_MARKERS.length],
  };
}

/**
 * Returns dash and marker fill of a model: solid and filled, dashed and open, dotted and filled, dash-dotted and open,
 * repeated after four models.
 *
 * @returns the name of a Plotly dash, and whether the marker is open
 */
export function modelStyle(look: Look, model: string): { dash: string; open: boolean } {
  const index = Math.max(0, look.models.indexOf(model));
  return { dash: MODEL_DASHES[index % MODEL_DASHES.length], open: index % 2 === 1 };
}

/**
 * Returns a color between dark and light for lines and markers on white, such as those of PLWs: the colormap viridis
 * without its lightest fifth.
 *
 * @param position 0 (dark) to 1 (light); values outside are clamped
 * @returns CSS color "rgb(…)"
 */
export function sequentialColor(position: number): string {
  return viridis(0.8 * Math.min(Math.max(position, 0), 1));
}

/**
 * Returns a color of the colormap viridis, interpolated linearly between stops at multiples of 0.2. It is perceptually
 * uniform, also in greyscale and for color-blind readers, and meant for filled areas.
 *
 * @param position 0 (dark) to 1 (light); values outside are clamped
 * @returns CSS color "rgb(…)"
 */
export function viridis(position: number): string {
  const stops = [
    [68, 1, 84],
    [65, 68, 135],
    [42, 120, 142],
    [34, 168, 132],
    [122, 209, 81],
    [253, 231, 37],
  ];
  const scaled = Math.min(Math.max(position, 0), 1) * (stops.length - 1);
  const below = Math.min(Math.floor(scaled), stops.length - 2);
  const mix = (channel: number): number =>
    Math.round(stops[below][channel] + (scaled - below) * (stops[below + 1][channel] - stops[below][channel]));
  return `rgb(${mix(0)},${mix(1)},${mix(2)})`;
}

/**
 * Returns the layout shared by all figures.
 *
 * @param inches size on paper
 * @param rest further settings, which override the shared ones
 */
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

/**
 * Returns an axis in the theme.
 *
 * @param title null for an axis without a title
 * @param rest further settings, which override those of the theme
 */
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

/** Pixels between the outermost PLW and the end of an axis: room for a marker that is moved aside. */
const EDGE = 10;
/** Pixels between an axis and its tick labels. */
const TICK_SPACE = 9;
/** Pixels that the tick labels of an axis are apart: beside each other, and one above the other if rotated. */
const LABEL_GAP = { beside: 5, rotated: 2.5 };
/** Height of the digits of a tick label, and of a line of text, in pixels. */
const [DIGIT_HEIGHT, LINE_HEIGHT] = [SMALL * 0.72, SMALL * 1.3];

/** Where the labels of a PLW axis stand. */
interface PlwLabels {
  /** range of the axis */
  range: [number, number];
  /** transformed PLWs in ascending order */
  tickvals: number[];
  /** "" for a tick without a label */
  ticktext: string[];
  tickangle: number;
  /** pixels below the axis that the labels take */
  height: number;
}

/**
 * Places the labels of a PLW axis: beside each other if there is space for all, else in two staggered rows, else
 * rotated. Where there is no space for all rotated labels either, the labels of rounder numbers are kept.
 *
 * @param pixels length of the axis
 * @param right pixels that stay free at the right end, for labels of lines
 */
export function plwLabels(plws: readonly number[], pixels: number, right = 0): PlwLabels {
  const sorted = [...new Set(plws)].sort((a, b) => a - b);
  const tickvals = sorted.map(transformWeight);
  const [low, high] = sorted.length > 0 ? [tickvals[0], tickvals[tickvals.length - 1]] : [0, 1];
  const span = Math.max(high - low, 0.1);
  const edge = Math.max(EDGE, 0.035 * (pixels - right));
  const unit = span / Math.max(1, pixels - right - 2 * edge);
  const range: [number, number] = [low - edge * unit, low + span + (edge + right) * unit];
  const at = tickvals.map((value) => (value - range[0]) / unit);
  const names = sorted.map(plwLabel);
  const widths = names.map((name) => textWidth(name));
  const placed = (ticktext: string[], tickangle: number, height: number): PlwLabels => ({
    range: high > low ? range : [low - span / 2, low + span / 2],
    tickvals,
    ticktext,
    tickangle,
    height: TICK_SPACE + height,
  });
  const gap = (i: number, j: number): number => Math.abs(at[i] - at[j]) - (widths[i] + widths[j]) / 2;
  const apart = (step: number): boolean => at.every((_, i) => i < step || gap(i, i - step) >= LABEL_GAP.beside);
  if (apart(1)) return placed(names, 0, LINE_HEIGHT);
  if (apart(2)) return placed(staggered(names), 0, 2 * LINE_HEIGHT);
  const kept = withoutOverlap(sorted, (i, j) => Math.abs(at[i] - at[j]) >= DIGIT_HEIGHT + LABEL_GAP.rotated);
  return placed(
    names.map((name, i) => (kept.has(i) ? name : "")),
    -90,
    Math.max(...widths),
  );
}

/** Moves every other label to a second row. */
function staggered(names: readonly string[]): string[] {
  return names.map((name, i) => (i % 2 === 0 ? name : `<br>${name}`));
}

/**
 * Returns an axis of transformed PLW (w_p = PLW^0.30103) with one tick per PLW, labeled with the PLW itself, see
 * {@link plwLabels}.
 *
 * @param plws PLWs drawn in the figure, in any order
 * @param pixels length of the axis
 * @param rest further settings, which override the others
 * @param right pixels that stay free at the right end
 */
export function plwAxis(plws: readonly number[], pixels: number, rest: Layout = {}, right = 0): Layout {
  const { range, tickvals, ticktext, tickangle } = plwLabels(plws, pixels, right);
  return axis("prompt loss weight", { range, tickvals, ticktext, tickangle, ...rest });
}

/**
 * Selects PLWs whose labels do not overlap. The ends of the axis come first, then powers of ten, then numbers with
 * fewer significant digits; among equals, the larger PLW.
 *
 * @param plws ascending
 * @param apart whether the labels of two of them, given by index, are far enough from each other
 * @returns indexes
 */
function withoutOverlap(plws: number[], apart: (i: number, j: number) => boolean): Set<number> {
  const digits = (plw: number): number =>
    Number(plw.toPrecision(2)).toExponential().split("e")[0].replace(".", "").length;
  const isPowerOfTen = (plw: number): boolean => plw > 0 && Number.isInteger(Math.log10(plw));
  const rank = (i: number): number =>
    i === 0 || i === plws.length - 1 ? 0 : isPowerOfTen(plws[i]) ? 1 : digits(plws[i]) + 1;
  const kept: number[] = [];
  for (const i of plws.map((_, k) => k).sort((a, b) => rank(a) - rank(b) || b - a))
    if (kept.every((j) => apart(i, j))) kept.push(i);
  return new Set(kept);
}

/** Widths of characters in Open Sans, in em; all others count as 0.61, capitals as 0.65. */
const CHARACTER_WIDTHS: readonly [RegExp, number][] = [
  [/[ijlI.,:;'|!()[\] ]/, 0.28],
  [/[ftr-]/, 0.38],
  [/[aceghksvxyz_/]/, 0.53],
  [/[0-9+=]/, 0.572],
  [/[mwMW%→—…]/, 0.92],
  [/\p{Lu}/u, 0.65],
  [/./u, 0.61],
];

/**
 * Estimates the width of a text in the theme's font, in pixels.
 *
 * @param size font size in pixels
 * @param bold default false
 */
export function textWidth(text: string, size = SMALL, bold = false): number {
  const em = (character: string): number => CHARACTER_WIDTHS.find(([set]) => set.test(character))?.[1] ?? 1;
  return [...text].reduce((sum, character) => sum + em(character), 0) * size * (bold ? 1.08 : 1);
}

/**
 * Returns a bold panel title, centered above the panel, as an element of `layout.annotations`.
 *
 * @param text plain text, which is escaped
 * @param center horizontal center of the panel, 0 to 1 across the plot area
 * @param top upper edge of the panel, 0 to 1 from the bottom of the plot area
 */
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

/**
 * Adds a letter to a panel title, for example "(b) Short".
 *
 * @param index of the panel, from 0
 * @param count number of lettered panels; with one, the title is returned without a letter
 */
export function lettered(title: string, index: number, count: number): string {
  return count > 1 ? `(${letterOf(index)}) ${title}` : title;
}

/** Letter of a panel: a to z, then aa, ab, … */
function letterOf(index: number): string {
  const last = String.fromCharCode(97 + (index % 26));
  return index < 26 ? last : letterOf(Math.floor(index / 26) - 1) + last;
}

/**
 * Escapes `&`, `<` and `>` so that Plotly, which interprets some HTML tags in any text, shows the text literally, and
 * makes control characters visible.
 */
export function escapeText(text: string): string {
  return visibleText(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
}

/** Returns the look of a study: colors, markers and dashes by the order in which it lists data sets and models. */
export function studyLook(study: { datasets: object; models: object }): Look {
  return { datasets: Object.keys(study.datasets), models: Object.keys(study.models) };
}
