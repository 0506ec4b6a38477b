// Figures as JupyterLab draws them: those wider than a laptop's output area become as wide as that area.
import type { Figure, Layout, Trace } from "../figures/figure";
import { legendsHeight, topLegends } from "../figures/panels";
import { textWidth } from "../figures/theme";

/** The narrowest output area (pixels) for which figures are laid out: JupyterLab's in a window of 1280 with its sidebar. */
const NARROW = 800;

/** Width of text where Open Sans is not installed, relative to that font. */
const WIDER = 1.15;

/** Pixels between neighboring texts. */
const GAP = 3;

/** A Plotly figure for the screen. */
export interface ScreenFigure {
  data: Trace[];
  layout: Layout;
  config: Record<string, unknown>;
}

/** A figure on paper: one of this library, or any Plotly figure. */
type PrintFigure = Pick<Figure, "spec"> | { data: Trace[]; layout: Layout; config?: Record<string, unknown> };

/**
 * Returns a figure as it is drawn on a screen. One of up to 800 pixels keeps its size. A wider one takes the width of the
 * place where it is drawn, at its own height; its texts are smaller in proportion, so that they are legible from 800
 * pixels on, and its legends get the rows that they need there.
 */
export function screenFigure(figure: PrintFigure): ScreenFigure {
  const { data, layout } = "spec" in figure ? figure.spec : figure;
  const own = "config" in figure ? figure.config : {};
  const config = { displaylogo: false, responsive: false, ...own };
  const { width, ...rest } = layout;
  if (typeof width !== "number" || !(width > NARROW && width < Infinity))
    return { data: wholeNames(data), layout, config };
  const scale = NARROW / width;
  const texts = { data: withTexts(wholeNames(data), scale), layout: withTexts(rest, scale) };
  // JupyterLab resizes it, not Plotly's own `responsive`, which loses the height.
  const fitted = withTitles(withTickLabels(withLegends(texts, layout)));
  return { ...texts, layout: { ...fitted, autosize: true }, config };
}

/** The traces with labels under the pointer that show their whole names; Plotly cuts them after 15 characters. */
function wholeNames(data: readonly Trace[]): Trace[] {
  return data
    .filter(isObject)
    .map((trace) => ({ ...trace, hoverlabel: { namelength: -1, ...(trace.hoverlabel as object) } }));
}

/** A copy in which the sizes of all fonts are multiplied by `scale`. */
function withTexts<T>(value: T, scale: number, isFont = false): T {
  if (Array.isArray(value)) return value.map((item) => withTexts<unknown>(item, scale)) as T;
  if (ArrayBuffer.isView(value)) return Array.from(value as unknown as ArrayLike<number>) as T;
  if (!isObject(value) || value instanceof Date) return value;
  const entries = Object.entries(value).map(([key, item]) => [
    key,
    isFont && key === "size" && typeof item === "number"
      ? Number((item * scale).toFixed(1))
      : withTexts<unknown>(item, scale, /font$/.test(key)),
  ]);
  return Object.fromEntries(entries) as T;
}

/**
 * The layout with the legends at the top of the figure laid out for {@link NARROW} pixels. If they need more rows than in
 * print, the figure is as much higher, and the plot area keeps its height.
 */
function withLegends({ data, layout }: { data: Trace[]; layout: Layout }, print: Layout): Layout {
  const names = Object.keys(layout).filter((key) => /^legend\d*$/.test(key));
  const legends = names.map((key) => layout[key] as Layout);
  const { margin, height } = print;
  if (!legends.every(isTopLegend) || legends.length === 0 || typeof height !== "number" || !isObject(margin))
    return layout;
  const groups = names.map((key) => data.filter((trace) => isEntryOf(trace, key)).map(({ name }) => String(name)));
  const size = Number((legends[0].font as Layout).size) * WIDER;
  const printSize = Number(((print[names[0]] as Layout).font as Layout).size);
  const more = Math.max(
    0,
    Math.ceil(legendsHeight(groups, NARROW, size) - legendsHeight(groups, Number(print.width), printSize)),
  );
  const placed = topLegends(groups, { width: NARROW, height: height + more }, size);
  const onScreen = names.map((key, i) => [key, { ...legends[i], ...(placed[key] as Layout), font: legends[i].font }]);
  return {
    ...layout,
    ...Object.fromEntries(onScreen),
    height: height + more,
    margin: { ...margin, t: Number(margin.t) + more },
  };
}

/** The layout with tick labels, where an axis lists them, small enough not to touch. */
function withTickLabels(layout: Layout): Layout {
  const axes = Object.entries(layout).filter(
    (entry): entry is [string, Layout] => /^xaxis\d*$/.test(entry[0]) && isObject(entry[1]),
  );
  return {
    ...layout,
    ...Object.fromEntries(axes.map(([key, axis]) => [key, withFittingTicks(axis, plotWidth(layout))])),
  };
}

function withFittingTicks(axis: Layout, width: number): Layout {
  const { tickvals, ticktext, range, tickangle, tickfont, domain = [0, 1] } = axis;
  if (!Array.isArray(tickvals) || !Array.isArray(ticktext) || !Array.isArray(range) || tickangle !== 0) return axis;
  const [from, to] = domain as number[];
  const [low, high] = range as number[];
  // "<br>" before a label moves it to the second row.
  const labels = ticktext.map(String).map((text, i) => ({
    text: text.replace(/^<br>/, ""),
    row: text.startsWith("<br>") ? 1 : 0,
    at: ((Number(tickvals[i]) - low) / (high - low)) * (to - from) * width,
  }));
  return { ...axis, tickfont: { ...(tickfont as Layout), size: fittingSize(labels, sizeOf(tickfont)) } };
}

/** The layout with the titles of panels small enough not to touch. */
function withTitles(layout: Layout): Layout {
  const annotations = (layout.annotations ?? []) as Layout[];
  const isTitle = ({ xref, yref, xanchor, yanchor }: Layout): boolean =>
    xref === "paper" && yref === "paper" && xanchor === "center" && yanchor === "bottom";
  const width = plotWidth(layout);
  const titles = annotations.filter(isTitle).map(({ text, x, y, font }) => ({
    text: String(text).replaceAll(/<[^>]*>/g, ""),
    row: Number(y),
    at: Number(x) * width,
    size: sizeOf(font),
  }));
  const size = fittingSize(titles, Math.min(...titles.map((title) => title.size)), true);
  return {
    ...layout,
    annotations: annotations.map((item) =>
      isTitle(item) ? { ...item, font: { ...(item.font as Layout), size } } : item,
    ),
  };
}

/** The size, at most `size`, at which texts centered at given pixels of the same row are apart; at least 9 pixels. */
function fittingSize(texts: readonly { text: string; row: number; at: number }[], size: number, bold = false): number {
  const shown = texts.filter(({ text }) => text !== "").sort((a, b) => a.row - b.row || a.at - b.at);
  const fits = shown.slice(1).flatMap(({ text, row, at }, i) => {
    const before = shown[i];
    const width = WIDER * (textWidth(text, 1, bold) + textWidth(before.text, 1, bold));
    return before.row === row ? [(at - before.at - GAP) / (width / 2)] : [];
  });
  return Math.max(9, Math.min(size, ...fits.map((fit) => Math.floor(fit * 10) / 10)));
}

/** Width of the plot area in pixels if the figure is {@link NARROW}. */
function plotWidth({ margin }: Layout): number {
  const { l = 80, r = 80 } = (margin ?? {}) as { l?: number; r?: number };
  return NARROW - l - r;
}

const sizeOf = (font: unknown): number => Number((font as Layout | undefined)?.size ?? 12);

/** Whether a legend is one of `topLegends`. */
const isTopLegend = (legend: Layout): boolean =>
  isObject(legend) &&
  legend.orientation === "h" &&
  legend.yref === "container" &&
  legend.yanchor === "top" &&
  isObject(legend.font) &&
  typeof legend.font.size === "number";

const isEntryOf = ({ legend = "legend", showlegend, visible, name }: Trace, key: string): boolean =>
  legend === key && showlegend !== false && visible !== false && typeof name === "string";

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null;
