import { randomUUID } from "node:crypto";
import { relative } from "node:path";
import { visibleText } from "../data/visible-text";
import { abridged } from "../data/well-formed";
import { repositoryRoot } from "../data/repository";
import { renderFigure } from "../export/export";
import { checkNumbers, type Figure } from "../figures/figure";
import { runTable } from "../figures/run-table";
import type { Table } from "../figures/table";
import type { Run } from "../runs/store";
import { escapeHtml } from "../page/html";
import { notebookKernel, safeBundle, type MimeBundle } from "./kernel";
import { screenFigure } from "./screen-figure";
import { plainBundle, tableBundle, tableOfRows, type TableLike, type TableOptions } from "./show-table";

/** HTML without scripts, and the same content as plain text for places that cannot show HTML. */
export interface Html {
  html: string;
  text: string;
}

/**
 * Content that {@link show} accepts: a figure or table of this library, any Plotly figure, a danfo.js data frame or
 * series, runs, an array of row objects, text, or HTML.
 */
export type Showable =
  Figure | PlotlyFigure | Table | TableLike | Run | readonly Run[] | readonly Record<string, unknown>[] | string | Html;

/** A plain Plotly figure. */
export interface PlotlyFigure extends Pick<Figure["spec"], "data" | "layout"> {
  /** Plotly's configuration, for example `{ scrollZoom: true }` */
  config?: Record<string, unknown>;
}

/**
 * Displays content as output of the running cell; outside a notebook, prints it as text. A figure is interactive in
 * JupyterLab, also in untrusted notebooks, and a static SVG elsewhere (GitHub, nbconvert); its caption stands below it.
 * If no browser can be started to draw the SVG, a warning is printed and the figure remains interactive.
 *
 * A cell whose last expression is a figure, a table, a data frame, runs or HTML shows it without this function.
 *
 * @param shown the content to display
 * @param options caption and maximum number of rows; tables only
 * @returns a promise that resolves when the SVG is part of the output; the first figure takes a few seconds because a
 *   browser is started
 * @throws {TypeError} if `shown` is not a {@link Showable}
 */
export async function show(shown: Showable, options: TableOptions = {}): Promise<void> {
  if (typeof shown === "string") display(paragraph(shown));
  else if (!isObject(shown)) throw cannotShow();
  else if (isHtml(shown)) display({ "text/html": shown.html, "text/plain": shown.text });
  else if (isFigure(shown)) await showFigure(shown);
  else display(tableOf(shown, options));
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

// The kernel shows results of cells with this function; a later version of this file replaces it.
const kernelAtLoad = notebookKernel();
if (kernelAtLoad) kernelAtLoad.showResult = showResult;

/** Shows the value of a cell's last expression if it is one of this library's. @returns whether it is */
async function showResult(value: unknown): Promise<boolean> {
  const files = attempt(() => filesLine(value));
  if (files !== undefined) display({ "text/plain": files });
  else if (attempt(() => isResult(value))) await show(value as Showable);
  else return false;
  return true;
}

/** Whether a result is shown by itself. Arrays other than those of runs are not: the kernel describes them in a line. */
function isResult(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (Array.isArray(value)) return isRuns(value);
  return isHtml(value) || isFigure(value) || isTable(value) || isRun(value) || isTableLike(value);
}

/** The files of an exported figure or table as "out/pocket/figures/figure1: pdf, svg, png, csv". */
function filesLine(value: unknown): string | undefined {
  if (typeof value !== "object" || value === null || Object.getPrototypeOf(value) !== Object.prototype)
    return undefined;
  const files = Object.entries(value);
  const stems = new Set(files.map(([format, path]) => (String(path).endsWith(`.${format}`) ? String(path) : "")));
  const [stem, ...others] = new Set([...stems].map((path) => path.replace(/\.\w+$/, "")));
  if (!stem?.startsWith("/") || others.length > 0) return undefined;
  return `${relative(repositoryRoot(), stem)}: ${files.map(([format]) => format).join(", ")}`;
}

async function showFigure(figure: Figure | PlotlyFigure): Promise<void> {
  if ("spec" in figure) checkNumbers(figure);
  const kernel = notebookKernel();
  const caption = "spec" in figure ? figure.caption : undefined;
  const text = figureText(figure);
  if (!kernel) {
    console.log(visibleText(caption === undefined ? text : `${text}\n${caption}`));
    return;
  }
  const id = randomUUID();
  const plot = { "application/vnd.plotly.v1+json": screenFigure(figure), "text/plain": text };
  const isShown = kernel.display(content(plot, id), false);
  if (caption !== undefined) display(paragraph(caption));
  if (!isShown) return;
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
  else console.log(visibleText(data["text/plain"]));
}

function content(data: MimeBundle, displayId?: string) {
  return { data: safeBundle(data), metadata: {}, transient: displayId === undefined ? {} : { display_id: displayId } };
}

/** Longest text that is shown, in UTF-16 code units. */
const LONGEST_TEXT = 100_000;

/** Text to be read, in lines of some 90 characters that break between words. */
function paragraph(shown: string) {
  const note = `\nThe text has ${shown.length.toLocaleString("en-US")} characters; this is its start.`;
  const text = shown.length > LONGEST_TEXT ? abridged(shown, LONGEST_TEXT) + note : shown;
  const html = `<div style="max-width: 720px; padding: 4px 0; white-space: pre-line">${escapeHtml(text)}</div>`;
  return { "text/html": html, "text/plain": text };
}

function tableOf(shown: Table | TableLike | Run | readonly Run[] | readonly object[], options: TableOptions) {
  if (isTable(shown)) return plainBundle(shown.frame as TableLike, { caption: shown.caption, ...options });
  if (isRun(shown)) return tableBundle(runTable([shown]) as TableLike, options);
  if (isRuns(shown)) return tableBundle(runTable(shown) as TableLike, options);
  if (Array.isArray(shown)) return tableBundle(tableOfRows(shown as Record<string, unknown>[]), options);
  if (!isTableLike(shown)) throw cannotShow();
  // A series has one value per row.
  const rows = shown.values.map((row) => (Array.isArray(row) ? (row as unknown[]) : [row]));
  return tableBundle({ columns: shown.columns, values: rows, index: shown.index }, options);
}

const cannotShow = (): TypeError =>
  new TypeError(
    "show: cannot display this value; pass a figure ({data, layout}), a table, a data frame, runs, an array of row " +
      "objects, text, or {html, text}.",
  );

// What a value is, by its fields: after an edit of the library, objects of its earlier classes are shown too.

const isHtml = (shown: object): shown is Html =>
  "html" in shown && typeof shown.html === "string" && "text" in shown && typeof shown.text === "string";

const isSpec = (value: unknown): value is PlotlyFigure =>
  isObject(value) && Array.isArray(value.data) && isObject(value.layout);

const isFigure = (shown: object): shown is Figure | PlotlyFigure =>
  isSpec(shown) || ("spec" in shown && isSpec(shown.spec) && "caption" in shown && typeof shown.caption === "string");

const isTable = (shown: object): shown is Table =>
  "frame" in shown && isObject(shown.frame) && isTableLike(shown.frame);

const isTableLike = (shown: object): shown is TableLike =>
  "columns" in shown && Array.isArray(shown.columns) && "values" in shown && Array.isArray(shown.values);

const isRun = (value: unknown): value is Run =>
  isObject(value) && isObject(value.record) && isObject(value.record.recipe) && isObject(value.store);

const isRuns = (shown: object): shown is readonly Run[] =>
  Array.isArray(shown) && shown.length > 0 && shown.every(isRun);

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null;

/** The result of `compute`, or undefined if reading a value throws. */
function attempt<T>(compute: () => T): T | undefined {
  try {
    return compute();
  } catch {
    return undefined;
  }
}

/** Plain-text representation of a figure: its name and those of its traces. */
function figureText(figure: Figure | PlotlyFigure): string {
  const { data } = "spec" in figure ? figure.spec : figure;
  const names = data.map(({ name }, i) =>
    typeof name === "string" && name !== "" ? abridged(name, 100) : `trace ${i}`,
  );
  return `${"spec" in figure ? figure.name : "Figure"} (${[...new Set(names)].join(", ")})`;
}
