// Export of figures: vector and pixel images drawn by Plotly in headless Chromium, and the plotted numbers as CSV.
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import type { Page } from "playwright-core";
import { toCellText } from "../data/csv-text";
import { outputPath } from "../runs/paths";
import { callPage, withPage } from "./browser";
import { PIXELS_PER_INCH, checkNumbers, type Figure, type Row, type Trace } from "../figures/figure";
import { fontCss } from "./fonts";
import { COLUMN_INCHES, escapeText, FONT } from "../figures/theme";

/** Image formats of {@link renderFigure}. */
export type ImageFormat = "svg" | "png" | "pdf";

/** A figure that can be exported: one of this library, or any Plotly figure as `{ data, layout }`. */
export type Exportable = (Pick<Figure, "spec" | "rows"> & Partial<Pick<Figure, "caption">>) | Figure["spec"];

/** Paths of the files that {@link exportFigure} wrote. */
export interface ExportedFiles {
  pdf: string;
  svg: string;
  png: string;
  csv: string;
}

/** Width and height in pixels. */
interface Size {
  width: number;
  height: number;
}

/**
 * Returns the default export path of a study's figure or table: `figures/<name>` in its folder of outputs.
 *
 * @param name file name without extension
 * @returns absolute path without extension, see `outputPath`
 */
export function figurePath(study: { name: string }, name: string): string {
  return outputPath(study, "figures", name);
}

/**
 * Writes a figure as `<path>.pdf` and `<path>.svg` (vector graphics), `<path>.png` (300 dpi) and `<path>.csv` (the
 * plotted numbers). The printed size is the layout's size divided by `PIXELS_PER_INCH`. The theme's font is
 * embedded. Needs no network. Exporting the same figure again gives identical files.
 *
 * @param figure the figure; the CSV file of a plain Plotly figure holds the x and y values of its traces
 * @param path target path, with or without one of the four extensions; missing folders are created
 * @returns paths of the files written
 * @throws {PromptlossError} if no browser can be started, a font file of the theme does not exist, or one of the
 *   figure's numbers is NaN or infinite
 */
export async function exportFigure(figure: Exportable, path: string): Promise<ExportedFiles> {
  const stem = stemOf(path);
  mkdirSync(dirname(stem), { recursive: true });
  const images = await renderAll(figure, ["pdf", "svg", "png"], true);
  for (const [format, bytes] of images) writeWhole(`${stem}.${format}`, bytes);
  writeWhole(`${stem}.csv`, toCsv("spec" in figure ? figure.rows : traceRows(figure.data)));
  return { pdf: `${stem}.pdf`, svg: `${stem}.svg`, png: `${stem}.png`, csv: `${stem}.csv` };
}

/**
 * Removes the files of an earlier {@link exportFigure}, for a figure that can no longer be drawn. Other files, also those
 * in folders below, stay.
 *
 * @param path as for `exportFigure`
 * @returns paths of the files that were there
 */
export function removeExport(path: string): string[] {
  const files = EXTENSIONS.map((extension) => `${stemOf(path)}.${extension}`).filter((file) => existsSync(file));
  for (const file of files) rmSync(file);
  return files;
}

const EXTENSIONS = ["pdf", "svg", "png", "csv"] as const;

/** The path without its extension, if that is one of an exported figure. */
function stemOf(path: string): string {
  return path.replace(/\.(pdf|svg|png|csv)$/i, "");
}

/**
 * Renders a figure as an image. Unlike {@link exportFigure}, it does not embed the font in an SVG, which keeps pages
 * with many figures small.
 *
 * @returns content of the image file; an SVG as UTF-8
 * @throws {PromptlossError} if no browser can be started, a font file of the theme does not exist, or one of the
 *   figure's numbers is NaN or infinite
 */
export async function renderFigure(figure: Exportable, format: ImageFormat): Promise<Buffer> {
  return (await renderAll(figure, [format])).get(format)!;
}

async function renderAll(
  figure: Exportable,
  formats: ImageFormat[],
  embedFont = false,
): Promise<Map<ImageFormat, Buffer>> {
  if ("spec" in figure) checkNumbers(figure);
  const { data, layout } = "spec" in figure ? figure.spec : figure;
  const caption = "spec" in figure ? figure.caption : undefined;
  const size = {
    width: typeof layout.width === "number" ? layout.width : COLUMN_INCHES * PIXELS_PER_INCH,
    height: typeof layout.height === "number" ? layout.height : 0.75 * COLUMN_INCHES * PIXELS_PER_INCH,
  };
  // Plotly gives traces without a uid a random one, which would make the output differ between calls.
  const traces = data.map((trace, i) => ({ ...trace, uid: `trace${i}` }));
  const text = JSON.stringify([data.map(({ name, text, texttemplate }) => [name, text, texttemplate]), layout]);
  const css = fontCss(text);
  return withPage(async (page) => {
    await callPage(page, "useFonts", css, FONT.family, text);
    const sized = { data: traces, layout: { ...layout, ...size } };
    const drawn = await callPage<string>(page, "drawFigure", sized, size.width, size.height);
    const svg = withDescription(normalizeSvg(drawn, size), caption);
    const images = new Map<ImageFormat, Buffer>();
    for (const format of formats) {
      if (format === "svg") images.set(format, Buffer.from(embedFont && css !== "" ? withStyle(svg, css) : svg));
      else images.set(format, await printSvg(page, svg, size, format));
    }
    return images;
  });
}

/** Renders an SVG as PNG or PDF on the export page. */
async function printSvg(page: Page, svg: string, size: Size, format: "png" | "pdf"): Promise<Buffer> {
  const unit = format === "pdf" ? "in" : "px";
  const scale = format === "pdf" ? PIXELS_PER_INCH : 1;
  const [width, height] = [`${size.width / scale}${unit}`, `${size.height / scale}${unit}`];
  await callPage(page, "placeSvg", svg, width, height);
  // without fullPage, the part of a figure below the viewport would be cut off
  if (format === "png") {
    return withResolution(await page.screenshot({ fullPage: true, clip: { x: 0, y: 0, ...size } }));
  }
  return withoutDates(await page.pdf({ width, height, printBackground: true, pageRanges: "1" }));
}

/**
 * Makes an SVG by Plotly reproducible and sets its printed size: width and height in inches, the random identifier of
 * each drawing replaced by a fixed one, attributes in alphabetical order instead of the order in which Plotly set them.
 */
function normalizeSvg(svg: string, { width, height }: Size): string {
  const random = /id="(?:topdefs-|clip|defs-)([0-9a-f]{6})/.exec(svg)?.[1];
  const stable = random === undefined ? svg : svg.replaceAll(random, "figure");
  const [widthInches, heightInches] = [width / PIXELS_PER_INCH, height / PIXELS_PER_INCH];
  const sizeAttributes = `width="${widthInches}in" height="${heightInches}in" viewBox="0 0 ${width} ${height}"`;
  return stable
    .replace(/^<svg [^>]*>/, (tag) => {
      const rest = tag.replace(/ (width|height|viewBox)="[^"]*"/g, "");
      return rest.replace("<svg ", `<svg ${sizeAttributes} `);
    })
    .replace(/<([\w:]+)((?: [\w:-]+="[^"]*")+)/g, (_, name: string, attributes: string) => {
      const sorted = [...attributes.matchAll(/[\w:-]+="[^"]*"/g)].map(([attribute]) => attribute).sort();
      return `<${name} ${sorted.join(" ")}`;
    });
}

/** Adds the caption as `<desc>`, which screen readers read. */
function withDescription(svg: string, caption: string | undefined): string {
  return caption === undefined
    ? svg
    : svg.replace(/^<svg [^>]*>/, (tag) => `${tag}<desc>${escapeText(caption)}</desc>`);
}

/** Adds a style sheet after the description, or first if there is none. */
function withStyle(svg: string, css: string): string {
  return svg
    .replace("</desc>", `</desc><style>${css}</style>`)
    .replace(/^(<svg [^>]*>)(?!<desc>)/, `$1<style>${css}</style>`);
}

/** Replaces the time stamps of a PDF by 2000-01-01, at equal length, so that byte offsets in the file stay valid. */
function withoutDates(pdf: Buffer): Buffer {
  return Buffer.from(pdf.toString("latin1").replace(/D:\d{14}/g, "D:20000101000000"), "latin1");
}

/** Inserts a pHYs chunk for 300 dpi (11,811 pixels per meter) after the header chunk, which ends at byte 33. */
function withResolution(png: Buffer): Buffer {
  const chunk = Buffer.alloc(21);
  chunk.writeUInt32BE(9, 0);
  chunk.write("pHYs", 4, "latin1");
  chunk.writeUInt32BE(11811, 8);
  chunk.writeUInt32BE(11811, 12);
  chunk.writeUInt8(1, 16);
  chunk.writeUInt32BE(crc32(chunk.subarray(4, 17)), 17);
  return Buffer.concat([png.subarray(0, 33), chunk, png.subarray(33)]);
}

/** CRC-32 of PNG chunks (polynomial 0xEDB88320, reflected). */
function crc32(bytes: Buffer): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return (crc ^ 0xffffffff) >>> 0;
}

/**
 * Formats rows as CSV (RFC 4180, but with LF line ends) with a header line. Numbers keep full precision; texts that a
 * spreadsheet would take for formulas, and control characters, become text, see `toCellText`.
 *
 * @param rows columns appear in order of first appearance; null and missing values become empty fields
 */
export function toCsv(rows: readonly Row[]): string {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const field = (value: Row[string] | undefined): string => {
    if (typeof value === "number") return String(value);
    const text = value === null || value === undefined ? "" : toCellText(String(value));
    return /[",;\t\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return [columns.map(field), ...rows.map((row) => columns.map((column) => field(row[column])))]
    .map((fields) => `${fields.join(",")}\n`)
    .join("");
}

/** The x and y values of a plain Plotly figure, one row per point. */
function traceRows(data: Trace[]): Row[] {
  return data.flatMap((trace, i) => {
    const [x, y] = [trace.x, trace.y].map((values) => (Array.isArray(values) ? (values as Row[string][]) : []));
    return Array.from({ length: Math.max(x.length, y.length) }, (_, k) => ({
      trace: typeof trace.name === "string" ? trace.name : i,
      x: x[k] ?? null,
      y: y[k] ?? null,
    }));
  });
}

/**
 * Writes a file atomically: it is written under a temporary name in the same folder, then renamed. Unlike
 * `writeFileAtomic` of the run store, the file is not synced to disk.
 *
 * @param path target path in an existing folder
 * @throws the error of the file system, with the temporary file removed
 */
export function writeWhole(path: string, content: string | Buffer): void {
  const partial = `${path}.part-${process.pid}-${randomBytes(3).toString("hex")}`;
  try {
    writeFileSync(partial, content);
    renameSync(partial, path);
  } catch (error) {
    rmSync(partial, { force: true });
    throw error;
  }
}
