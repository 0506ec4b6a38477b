import { randomBytes } from "node:crypto";
import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fromRoot } from "../runs/paths";
import { callPage, withPage } from "./browser";
import { PIXELS_PER_INCH, type Figure, type Row, type Trace } from "../figures/figure";
import { fontCss } from "./fonts";
import { COLUMN_INCHES, escapeText, FONT } from "../figures/theme";

export type ImageFormat = "svg" | "png" | "pdf";

/** What can be exported: a figure of this library, or any Plotly figure. */
export type Exportable = (Pick<Figure, "spec" | "rows"> & Partial<Pick<Figure, "caption">>) | Figure["spec"];

/** Paths of the files that {@link exportFigure} wrote. */
export interface ExportedFiles {
  pdf: string;
  svg: string;
  png: string;
  csv: string;
}

/** Where a figure or table of that name is exported to: `figures/` in `PROMPTLOSS_OUT`, or in `out`. */
export function figurePath(name: string): string {
  return join(fromRoot(process.env.PROMPTLOSS_OUT || "out"), "figures", name);
}

/**
 * Writes a figure as `<path>.pdf` and `<path>.svg` (vector), `<path>.png` (300 dpi) and `<path>.csv` (the plotted
 * numbers). The size on paper is the layout's at {@link PIXELS_PER_INCH}. Needs no network. The theme's font is in each file;
 * the same figure gives the same bytes again.
 *
 * @param path with or without one of the four extensions; folders are made
 * @throws PromptlossError when no browser can be started, with what to install
 */
export async function exportFigure(figure: Exportable, path: string): Promise<ExportedFiles> {
  const stem = path.replace(/\.(pdf|svg|png|csv)$/i, "");
  mkdirSync(dirname(stem), { recursive: true });
  const images = await renderAll(figure, ["pdf", "svg", "png"], true);
  for (const [format, bytes] of images) writeWhole(`${stem}.${format}`, bytes);
  writeWhole(`${stem}.csv`, toCsv("spec" in figure ? figure.rows : traceRows(figure.data)));
  return { pdf: `${stem}.pdf`, svg: `${stem}.svg`, png: `${stem}.png`, csv: `${stem}.csv` };
}

/** A figure as an image file's bytes; an SVG without the font in it, which a page that shows many of them would not thank us for. */
export async function renderFigure(figure: Exportable, format: ImageFormat): Promise<Buffer> {
  return (await renderAll(figure, [format])).get(format)!;
}

async function renderAll(
  figure: Exportable,
  formats: ImageFormat[],
  embedFont = false,
): Promise<Map<ImageFormat, Buffer>> {
  const { data, layout } = "spec" in figure ? figure.spec : figure;
  const caption = "spec" in figure ? figure.caption : undefined;
  const size = {
    width: typeof layout.width === "number" ? layout.width : COLUMN_INCHES * PIXELS_PER_INCH,
    height: typeof layout.height === "number" ? layout.height : 0.75 * COLUMN_INCHES * PIXELS_PER_INCH,
  };
  // Without its own identifier a trace gets a random one.
  const traces = data.map((trace, i) => ({ ...trace, uid: `trace${i}` }));
  const text = JSON.stringify([data.map(({ name, text, texttemplate }) => [name, text, texttemplate]), layout]);
  const css = fontCss(text);
  return withPage(async (page) => {
    await callPage(page, "useFonts", css, FONT.family, text);
    const drawn = await callPage<string>(
      page,
      "drawFigure",
      { data: traces, layout: { ...layout, ...size } },
      size.width,
      size.height,
    );
    const svg = described(normalizeSvg(drawn, size), caption);
    const images = new Map<ImageFormat, Buffer>();
    for (const format of formats) {
      if (format === "svg") {
        images.set(
          format,
          Buffer.from(
            embedFont && css !== ""
              ? svg
                  .replace("</desc>", `</desc><style>${css}</style>`)
                  .replace(/^(<svg [^>]*>)(?!<desc>)/, `$1<style>${css}</style>`)
              : svg,
          ),
        );
        continue;
      }
      const unit = format === "pdf" ? "in" : "px";
      const scale = format === "pdf" ? PIXELS_PER_INCH : 1;
      const [width, height] = [`${size.width / scale}${unit}`, `${size.height / scale}${unit}`];
      await callPage(page, "placeSvg", svg, width, height);
      if (format === "png")
        images.set(format, withResolution(await page.screenshot({ clip: { x: 0, y: 0, ...size } })));
      else images.set(format, withoutDates(await page.pdf({ width, height, printBackground: true, pageRanges: "1" })));
    }
    return images;
  });
}

/**
 * Size in inches; one fixed identifier in place of the random one that each drawing gets; attributes in alphabetical
 * order, which otherwise is the order in which Plotly happened to set them.
 */
function normalizeSvg(svg: string, { width, height }: { width: number; height: number }): string {
  const random = /id="(?:topdefs-|clip|defs-)([0-9a-f]{6})/.exec(svg)?.[1];
  const stable = random === undefined ? svg : svg.replaceAll(random, "figure");
  return stable
    .replace(/^<svg [^>]*>/, (tag) => {
      const rest = tag.replace(/ (width|height|viewBox)="[^"]*"/g, "");
      return rest.replace(
        "<svg ",
        `<svg width="${width / PIXELS_PER_INCH}in" height="${height / PIXELS_PER_INCH}in" viewBox="0 0 ${width} ${height}" `,
      );
    })
    .replace(
      /<([\w:]+)((?: [\w:-]+="[^"]*")+)/g,
      (_, name: string, attributes: string) =>
        `<${name} ${[...attributes.matchAll(/[\w:-]+="[^"]*"/g)]
          .map(([attribute]) => attribute)
          .sort()
          .join(" ")}`,
    );
}

/** The caption as the picture's description, for those who cannot see it. */
function described(svg: string, caption: string | undefined): string {
  return caption === undefined
    ? svg
    : svg.replace(/^<svg [^>]*>/, (tag) => `${tag}<desc>${escapeText(caption)}</desc>`);
}

/** The time of printing is replaced, at equal length, by the start of 2000. */
function withoutDates(pdf: Buffer): Buffer {
  return Buffer.from(pdf.toString("latin1").replace(/D:\d{14}/g, "D:20000101000000"), "latin1");
}

/** Adds the chunk that says 300 dpi (11,811 pixels a meter), right after the header chunk, which ends at byte 33. */
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

function crc32(bytes: Buffer): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return (crc ^ 0xffffffff) >>> 0;
}

/** Rows as CSV (RFC 4180) with a header line; columns in order of first appearance, null as an empty field. */
export function toCsv(rows: readonly Row[]): string {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const field = (value: Row[string] | undefined): string => {
    const text = value === null || value === undefined ? "" : String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return [columns.map(field), ...rows.map((row) => columns.map((column) => field(row[column])))]
    .map((fields) => `${fields.join(",")}\n`)
    .join("");
}

/** The points of a plain Plotly figure. */
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

/** Writes a file so that it appears whole or not at all. */
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
