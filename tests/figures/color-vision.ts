// Whether the series of a figure can be told apart in grey and with color vision deficiencies. As a program:
//
//   node --import tsx tests/figures/color-vision.ts <folder of SVG files, or SVG files> [--pictures <folder>]
//
// prints one line per pair of series that cannot, and exits with status 1 if there is one. With --pictures, it also
// writes each figure as it is seen: <folder>/<figure>-grey.png, -deuteranope.png, -protanope.png, -tritanope.png.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { parseArgs } from "node:util";
import { groupBy } from "../../lib/data/group";
import { closeBrowser } from "../../lib/export/browser";
import { sequentialColor } from "../../lib/figures/theme";
import { onPage, svgFiles, type Style } from "./legibility";

/** Red, green and blue of linear sRGB, 0 to 1. */
export type Rgb = [number, number, number];

/**
 * Smallest difference of two series without another mark of difference: ΔE*ab for each vision, ΔL* in grey. Two colors of
 * the ordered scale, which a reader follows from dark to light, need only `step` ΔL*.
 */
const LIMITS = { color: 20, grey: 10, step: 4 };
/** Colors of the ordered scale, closely spaced. */
const SCALE = Array.from({ length: 201 }, (_, i) =>
  sequentialColor(i / 200)
    .match(/\d+/g)!
    .map(Number),
);

/**
 * Color vision, as matrices on linear sRGB: Machado, Oliveira & Fernandes 2009 (A physiologically-based model for
 * simulation of color vision deficiency), severity 1.
 */
export const VISIONS: Readonly<Record<string, number[][]>> = {
  normal: [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ],
  deuteranope: [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.01182, 0.04294, 0.968881],
  ],
  protanope: [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
  ],
  tritanope: [
    [1.255528, -0.076749, -0.178779],
    [-0.078411, 0.930809, 0.147602],
    [0.004733, 0.691367, 0.3039],
  ],
};
/** Luminance of linear sRGB, for each channel. */
const GREY = [1, 2, 3].map(() => [0.2126, 0.7152, 0.0722]);

/** Converts sRGB bytes to linear sRGB. */
export const linear = (bytes: number[]): Rgb =>
  bytes.map((byte) => (byte / 255 <= 0.04045 ? byte / 255 / 12.92 : ((byte / 255 + 0.055) / 1.055) ** 2.4)) as Rgb;

/** Converts "#rrggbb" or "rgb(…)" to linear sRGB. */
export const parseColor = (color: string): Rgb =>
  linear(
    color.startsWith("#")
      ? [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16))
      : color.match(/\d+/g)!.slice(0, 3).map(Number),
  );

/** A color as someone with this vision sees it. */
export const seenBy = (vision: string, color: Rgb): Rgb =>
  VISIONS[vision].map((row) =>
    Math.min(Math.max(row[0] * color[0] + row[1] * color[1] + row[2] * color[2], 0), 1),
  ) as Rgb;

/** Converts linear sRGB to CIE L*a*b* (D65). */
export function lab([r, g, b]: Rgb): Rgb {
  const f = (t: number): number => (t > 0.008856 ? Math.cbrt(t) : 7.787 * t + 16 / 116);
  const x = f((0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.9505);
  const y = f(0.2126 * r + 0.7152 * g + 0.0722 * b);
  const z = f((0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.089);
  return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
}

/** ΔE*ab (CIE 1976) of two colors for someone with this vision. */
export function difference(a: Rgb, b: Rgb, vision: string): number {
  const [one, other] = [a, b].map((color) => lab(seenBy(vision, color)));
  return Math.hypot(...one.map((value, i) => value - other[i]));
}

/** Two colors of a panel that cannot be told apart. */
export interface Confusion {
  panel: string;
  colors: [string, string];
  /** what differs too little, for example "ΔE*ab 8.1 as deuteranope" */
  why: string;
}

/**
 * Finds series of the same panel that only their color tells apart, and that not for every reader. All lines, markers
 * and boxes of one color count as one series. Another marker or dash is enough to be told apart.
 */
export function confusions(styles: readonly Style[]): Confusion[] {
  const panels = groupBy(styles, ({ panel }) => panel);
  return [...panels].flatMap(([panel, inPanel]) => {
    const series = [...groupBy(inPanel, ({ color }) => color)];
    return series.flatMap(([color, own], i) =>
      series.slice(i + 1).flatMap(([other, others]): Confusion[] => {
        const why = differByForm(own, others) ? undefined : confused(color, other);
        return why === undefined ? [] : [{ panel, colors: [color, other], why }];
      }),
    );
  });
}

/** Whether two series share no kind of mark, or one kind only in forms of their own. */
function differByForm(own: readonly Style[], others: readonly Style[]): boolean {
  const forms = (styles: readonly Style[], wanted: Style["kind"]): string[] =>
    styles.filter(({ kind }) => kind === wanted).map(({ form }) => form);
  const kinds = (["line", "marker", "box"] as const).map((kind) => [forms(own, kind), forms(others, kind)]);
  const shared = kinds.filter(([a, b]) => a.length > 0 && b.length > 0);
  return shared.length === 0 || shared.some(([a, b]) => !a.some((form) => b.includes(form)));
}

/** The first of grey and the visions in which two colors differ too little. */
function confused(first: string, second: string): string | undefined {
  const [a, b] = [parseColor(first), parseColor(second)];
  const lightness = Math.abs(lab(a)[0] - lab(b)[0]);
  const ordered = isOnScale(first) && isOnScale(second);
  const limit = ordered ? LIMITS.step : LIMITS.grey;
  if (lightness < limit) return `ΔL* ${lightness.toFixed(1)} in grey, less than ${limit}`;
  if (ordered) return undefined;
  const differences = Object.keys(VISIONS).map((vision) => ({ vision, distance: difference(a, b, vision) }));
  const least = differences.reduce((low, next) => (next.distance < low.distance ? next : low));
  return least.distance < LIMITS.color
    ? `ΔE*ab ${least.distance.toFixed(1)} as ${least.vision}, less than ${LIMITS.color}`
    : undefined;
}

/** Whether a color "rgb(…)" is one of the ordered scale (`sequentialColor`), but for rounding. */
function isOnScale(color: string): boolean {
  const bytes = color.match(/\d+/g)!.map(Number);
  return SCALE.some((stop) => stop.every((value, i) => Math.abs(value - bytes[i]) <= 1));
}

/** Draws a figure as PNG the way each reader sees it: in grey, and with each color vision deficiency. */
export function simulate(svg: string): Promise<Map<string, Buffer>> {
  const matrices = Object.entries({ grey: GREY, ...VISIONS }).filter(([name]) => name !== "normal");
  return onPage(svg, async (page, { page: { right: width, bottom: height } }) => {
    const pictures = new Map<string, Buffer>();
    for (const [name, matrix] of matrices) {
      // feColorMatrix works on linear sRGB by default and clamps its result, as seenBy does
      const values = [...matrix.map((row) => [...row, 0, 0].join(" ")), "0 0 0 1 0"].join(" ");
      const filter = `<filter id="vision"><feColorMatrix type="matrix" values="${values}"/></filter>`;
      await page.evaluate(`{
        document.getElementById("vision-filter")?.remove();
        document.body.insertAdjacentHTML("beforeend", '<svg id="vision-filter" width="0" height="0">${filter}</svg>');
        document.body.firstElementChild.style.filter = "url(#vision)";
      }`);
      pictures.set(name, await page.screenshot({ fullPage: true, clip: { x: 0, y: 0, width, height } }));
    }
    return pictures;
  });
}

async function main(): Promise<void> {
  const { positionals, values } = parseArgs({ allowPositionals: true, options: { pictures: { type: "string" } } });
  const files = svgFiles(positionals);
  for (const file of files) {
    const svg = readFileSync(file, "utf8");
    for (const { panel, colors, why } of confusions(await onPage(svg, (_, { styles }) => styles))) {
      console.log(`${file}: panel ${panel}: ${colors.join(" and ")}: ${why}`);
      process.exitCode = 1;
    }
    if (values.pictures === undefined) continue;
    mkdirSync(values.pictures, { recursive: true });
    for (const [name, png] of await simulate(svg))
      writeFileSync(join(values.pictures, `${basename(file, ".svg")}-${name}.png`), png);
  }
  console.log(`${files.length} figure${files.length === 1 ? "" : "s"} checked`);
  if (files.length === 0) process.exitCode = 1;
  await closeBrowser();
}

if (require.main === module) void main();
