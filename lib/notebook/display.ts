import { randomUUID } from "node:crypto";
import { renderFigure } from "../export/export";
import type { Figure } from "../figures/figure";
import { notebookKernel, type MimeBundle } from "./kernel";
import { tableHtml, tableOfRows, tableText, type TableLike, type TableOptions } from "./show-table";

/** HTML without script, and the same in words, for where HTML cannot be shown. */
export interface Html {
  html: string;
  text: string;
}

/** What can be shown: a figure of this library or any Plotly figure, a danfo.js data frame or rows as plain objects, HTML. */
export type Showable = Figure | PlotlyFigure | TableLike | readonly Record<string, unknown>[] | Html;

export interface PlotlyFigure extends Pick<Figure["spec"], "data" | "layout"> {
  config?: Record<string, unknown>;
}

/**
 * Shows something under the running cell; outside a notebook, prints it as text.
 * A figure is interactive in JupyterLab, in untrusted notebooks too, and an SVG picture elsewhere (GitHub, nbconvert);
 * the promise is kept when the picture is there, which takes some seconds for the first one.
 */
export async function show(shown: Showable, options: TableOptions = {}): Promise<void> {
  if (isFigure(shown)) return showFigure(shown);
  if ("html" in shown && typeof shown.html === "string") {
    display({ "text/html": shown.html, "text/plain": shown.text });
    return;
  }
  const table = Array.isArray(shown) ? tableOfRows(shown as Record<string, unknown>[]) : (shown as TableLike);
  if (!Array.isArray(table.columns) || !Array.isArray(table.values)) {
    throw new TypeError("show: this is no figure ({data, layout}), data frame, array of row objects or {html, text}.");
  }
  display({ "text/html": tableHtml(table, options), "text/plain": tableText(table, options) });
}

/** An output that can be replaced in place. Outside a notebook nothing is shown. */
export function liveDisplay(): (content: Html) => void {
  const kernel = notebookKernel();
  const id = randomUUID();
  let update = false;
  return ({ html, text }) => {
    kernel?.display(content({ "text/html": html, "text/plain": text }, id), update);
    update = true;
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
    // Not PNG: JupyterLab's Plotly renderer would show that, at 300 dpi far too large, until the mouse comes.
    picture = await renderFigure(figure, "svg");
  } catch (error) {
    console.warn(`This figure has no static picture: ${(error as Error).message}`);
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

function figureText(figure: Figure | PlotlyFigure): string {
  const { data } = "spec" in figure ? figure.spec : figure;
  const names = data.map(({ name }, index) => (typeof name === "string" && name !== "" ? name : `trace ${index}`));
  const title = "spec" in figure ? `${figure.name}: ${figure.caption}` : "Figure";
  return `${title} (${[...new Set(names)].join(", ")})`;
}
