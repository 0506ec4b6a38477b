import { randomUUID } from "node:crypto";
import { renderFigure } from "../export/export";
import type { Figure } from "../figures/figure";
import { notebookKernel, type MimeBundle } from "./kernel";
import { tableHtml, tableOfRows, tableText, type TableLike, type TableOptions } from "./show-table";

/** HTML without scripts, and the same content as plain text for places that cannot show HTML. */
export interface Html {
  html: string;
  text: string;
}

/**
 * Content that {@link show} accepts: a figure of this library, any Plotly figure, a danfo.js data frame, an array of
 * row objects, or HTML.
 */
export type Showable = Figure | PlotlyFigure | TableLike | readonly Record<string, unknown>[] | Html;

/** A plain Plotly figure. */
export interface PlotlyFigure extends Pick<Figure["spec"], "data" | "layout"> {
  /** Plotly's configuration, for example `{ scrollZoom: true }` */
  config?: Record<string, unknown>;
}

/**
 * Displays content as output of the running cell; outside a notebook, prints it as text. A figure is interactive in
 * JupyterLab, also in untrusted notebooks, and a static SVG elsewhere (GitHub, nbconvert). If no browser can be started
 * to draw the SVG, a warning is printed and the figure remains interactive.
 *
 * @param shown the content to display
 * @param options caption and maximum number of rows; tables only
 * @returns a promise that resolves when the SVG is part of the output; the first figure takes a few seconds because a
 *   browser is started
 * @throws {TypeError} if `shown` is not a {@link Showable}
 */
export async function show(shown: Showable, options: TableOptions = {}): Promise<void> {
  if (isFigure(shown)) return showFigure(shown);
  if ("html" in shown && typeof shown.html === "string") {
    display({ "text/html": shown.html, "text/plain": shown.text });
    return;
  }
  const table = Array.isArray(shown) ? tableOfRows(shown as Record<string, unknown>[]) : (shown as TableLike);
  if (!Array.isArray(table.columns) || !Array.isArray(table.values)) {
    throw new TypeError(
      "show: cannot display this value; pass a figure ({data, layout}), a data frame, an array of row objects, " +
        "or {html, text}.",
    );
  }
  display({ "text/html": tableHtml(table, options), "text/plain": tableText(table, options) });
}

/**
 * Creates an output of the running cell that can be replaced in place.
 *
 * @returns a function that displays its argument in place of the previous content; outside a notebook it does nothing
 */
export function liveDisplay(): (content: Html) => void {
  const kernel = notebookKernel();
  const id = randomUUID();
  let displayed = false;
  return ({ html, text }) => {
    kernel?.display(content({ "text/html": html, "text/plain": text }, id), displayed);
    displayed = true;
  };
}

async function showFigure(figure: Figure | PlotlyFigure): Promise<void> {
  const spec = "spec" in figure ? figure.spec : figure;
  const text = figureText(figure);
  const kernel = notebookKernel();
  if (!kernel) {
    console.log(text);
    return;
  }
  const id = randomUUID();
  const config = { displaylogo: false, responsive: false, ...("config" in figure ? figure.config : {}) };
  const plot = {
    "application/vnd.plotly.v1+json": { data: spec.data, layout: spec.layout, config },
    "text/plain": text,
  };
  kernel.display(content(plot, id), false);
  let picture: Buffer;
  try {
    // Not PNG: JupyterLab's Plotly renderer would show a PNG until the pointer enters the figure, far too large at
    // 300 dpi.
    picture = await renderFigure(figure, "svg");
  } catch (error) {
    console.warn(`Cannot draw the static SVG of this figure: ${(error as Error).message}`);
    return;
  }
  kernel.display(content({ ...plot, "image/svg+xml": picture.toString("utf8") }, id), true);
}

function display(data: MimeBundle & { "text/plain": string }): void {
  const kernel = notebookKernel();
  if (kernel) kernel.display(content(data), false);
  else console.log(data["text/plain"]);
}

function content(data: MimeBundle, displayId?: string) {
  return { data, metadata: {}, transient: displayId === undefined ? {} : { display_id: displayId } };
}

function isFigure(shown: Showable): shown is Figure | PlotlyFigure {
  return "spec" in shown || ("data" in shown && "layout" in shown && Array.isArray(shown.data));
}

/** Plain-text representation of a figure: name, caption and trace names. */
function figureText(figure: Figure | PlotlyFigure): string {
  const { data } = "spec" in figure ? figure.spec : figure;
  const names = data.map(({ name }, index) => (typeof name === "string" && name !== "" ? name : `trace ${index}`));
  const title = "spec" in figure ? `${figure.name}: ${figure.caption}` : "Figure";
  return `${title} (${[...new Set(names)].join(", ")})`;
}
