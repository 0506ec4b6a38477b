// Checks that exported figures are legible at print size, from the geometry that Chromium computes. As a program:
//
//   node --import tsx tests/figures/legibility.ts <folder of SVG files, or SVG files>
//
// prints one line per fault and exits with status 1 if there is one.
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { groupBy } from "../../lib/data/group";
import { closeBrowser, callPage, withPage } from "../../lib/export/browser";
import { PIXELS_PER_INCH } from "../../lib/figures/figure";

/** Smallest legible text, in points, and smallest subscript or superscript. */
const SMALLEST = { text: 7, script: 5 };
/** Pixels that a text or mark may reach over an edge, or two texts into each other: less than a point (2 pixels). */
const TOLERANCE = 0.5;
/** Pixels that the tick labels of an axis must be apart: one point. Closer, two numbers read as one. */
const TICK_GAP = 2;

/** A fault of a figure. */
export interface Fault {
  kind:
    | "text outside the page"
    | "text clipped"
    | "tick labels too close"
    | "texts overlap"
    | "marker clipped"
    | "marker hidden"
    | "orphan in the legend"
    | "text too small";
  /** what is affected: a text, or which marker, and by how much */
  what: string;
  /** pixels from the left and upper edge; null if nothing of it is drawn */
  at: Point | null;
}

type Point = [x: number, y: number];

/** Edges in pixels. */
interface Box {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

/** A text as drawn. */
interface Text {
  text: string;
  role: string;
  /** for a tick label: its axis, for example "x2" */
  axis: string | null;
  /** ink of its lines and scripts: corners in order, font size in pixels, whether it is a subscript or superscript */
  pieces: { corners: Point[]; size: number; script: boolean }[];
  clip: Box;
}

/** A marker, error bar or box as drawn; `box` includes the stroke and is null for a hidden one. */
interface Mark {
  kind: string;
  panel: string;
  hidden: boolean;
  box: Box | null;
  clip: Box;
}

/** What measure-svg.js returns. */
export interface Measured {
  page: Box;
  texts: Text[];
  marks: Mark[];
  /** legends → groups → entries, with the position of the entry */
  legends: { text: string; x: number; y: number }[][][];
  styles: Style[];
}

/** How a line, marker or box is drawn. */
export interface Style {
  panel: string;
  kind: "line" | "marker" | "box";
  /** "rgb(…)", without its opacity */
  color: string;
  /** dash of a line, outline and filling of a marker */
  form: string;
}

/**
 * Finds what is illegible in a figure.
 *
 * @param svg an SVG written by `exportFigure`
 */
export async function legibilityFaults(svg: string): Promise<Fault[]> {
  const measured = await onPage(svg, (_, measured) => measured);
  return [...measured.texts.flatMap((text) => textFaults(text, measured.page)), ...overlaps(measured.texts)]
    .concat(markFaults(measured.marks))
    .concat(measured.legends.flat().flatMap(orphans));
}

/** Shows an SVG at one CSS pixel per pixel of its layout, and measures it before `work` gets the page. */
export function onPage<T>(svg: string, work: (page: Page, measured: Measured) => Promise<T> | T): Promise<T> {
  return withPage(async (page) => {
    const [, width, height] = /viewBox="0 0 ([\d.]+) ([\d.]+)"/.exec(svg)!;
    await callPage(page, "placeSvg", svg, `${width}px`, `${height}px`);
    await page.evaluate(readFileSync(join(__dirname, "measure-svg.js"), "utf8"));
    return work(page, await page.evaluate<Measured>("document.fonts.ready.then(() => measureSvg())"));
  });
}

function textFaults({ text, role, pieces, clip }: Text, page: Box): Fault[] {
  const box = boxOf(pieces.flatMap(({ corners }) => corners));
  const fault = (kind: Fault["kind"], detail: string): Fault => ({
    kind,
    what: `${role} ${quoted(text)}, ${detail}`,
    at: center(box),
  });
  const faults: Fault[] = [];
  const [beyondPage, beyondClip] = [beyond(box, page), beyond(box, clip)];
  if (beyondPage.pixels > TOLERANCE) faults.push(fault("text outside the page", describe(beyondPage)));
  else if (beyondClip.pixels > TOLERANCE) faults.push(fault("text clipped", describe(beyondClip)));
  for (const script of [false, true]) {
    const points = Math.min(...pieces.filter((piece) => piece.script === script).map(({ size }) => toPoints(size)));
    const limit = script ? SMALLEST.script : SMALLEST.text;
    if (points < limit - 0.01) faults.push(fault("text too small", `${points.toFixed(1)} pt, less than ${limit} pt`));
  }
  return faults;
}

function overlaps(texts: Text[]): Fault[] {
  return texts.flatMap((first, i) =>
    texts.slice(i + 1).flatMap((second): Fault[] => {
      const depth = Math.max(
        ...first.pieces.flatMap((a) => second.pieces.map((b) => overlapDepth(a.corners, b.corners))),
      );
      const ticks = first.axis !== null && first.axis === second.axis;
      if (depth <= (ticks ? -TICK_GAP : TOLERANCE)) return [];
      const pair = `${quoted(first.text)} and ${quoted(second.text)}`;
      const distance = depth > 0 ? `overlap by ${depth.toFixed(1)} px` : `${(-depth).toFixed(1)} px apart`;
      return [
        {
          kind: ticks ? "tick labels too close" : "texts overlap",
          what: ticks
            ? `axis ${first.axis}: ${pair}, ${distance}`
            : `${first.role} and ${second.role} ${pair}, ${distance}`,
          at: center(boxOf([...first.pieces, ...second.pieces].flatMap(({ corners }) => corners))),
        },
      ];
    }),
  );
}

/**
 * How far two convex quadrilaterals reach into each other, in pixels: the shortest shift that would separate them
 * (separating axis theorem). Negative if they are apart.
 */
function overlapDepth(a: Point[], b: Point[]): number {
  const normals = [a, b].flatMap((corners) =>
    [0, 1].map((i): Point => {
      const [dx, dy] = [corners[i + 1][0] - corners[i][0], corners[i + 1][1] - corners[i][1]];
      const length = Math.hypot(dx, dy) || 1;
      return [-dy / length, dx / length];
    }),
  );
  const depths = normals.map(([x, y]) => {
    const [one, other] = [a, b].map((corners) => corners.map((corner) => corner[0] * x + corner[1] * y));
    return Math.min(Math.max(...one) - Math.min(...other), Math.max(...other) - Math.min(...one));
  });
  return Math.min(...depths);
}

/** Faults of the markers, error bars and boxes, one for all of a kind that reach over the same edge of a panel. */
function markFaults(marks: Mark[]): Fault[] {
  const groups = new Map<string, { kind: Fault["kind"]; where: string; pixels: number[]; at: Point | null }>();
  for (const { kind, panel, hidden, box, clip } of marks) {
    const cut = box && beyond(box, clip);
    if (cut && cut.pixels <= TOLERANCE) continue;
    const where = cut
      ? `${kind} over the ${cut.edge} edge of panel ${panel}`
      : `${kind} beyond the axes of panel ${panel}`;
    const fault = hidden || !cut ? "marker hidden" : "marker clipped";
    const group = groups.get(where) ?? { kind: fault, where, pixels: [], at: box && center(box) };
    group.pixels.push(cut?.pixels ?? 0);
    groups.set(where, group);
  }
  return [...groups.values()].map(({ kind, where, pixels, at }) => {
    const extent = kind === "marker clipped" ? `, by up to ${Math.max(...pixels).toFixed(1)} px` : "";
    return { kind, what: `${pixels.length} × ${where}${extent}`, at };
  });
}

/**
 * Entries that stand alone in a row of a legend, unless that cannot be avoided: five entries as 4 + 1 could be 3 + 2,
 * but five in two columns must leave one alone.
 */
function orphans(entries: Measured["legends"][number][number]): Fault[] {
  const rows = groupBy(entries, ({ y }) => y.toFixed());
  const columns = Math.max(0, ...[...rows.values()].map(({ length }) => length));
  const avoidable = Array.from({ length: columns + 1 }, (_, i) => i).some((i) => i >= 2 && entries.length % i !== 1);
  return [...rows.values()]
    .filter(({ length }) => length === 1 && avoidable)
    .map(([{ text, x, y }]) => ({
      kind: "orphan in the legend",
      what: `${quoted(text)} alone in its row`,
      at: [x, y],
    }));
}

/** The edge over which a box reaches farthest, and by how many pixels. */
function beyond(box: Box, limits: Box): { edge: string; pixels: number } {
  return [
    { edge: "left", pixels: limits.left - box.left },
    { edge: "upper", pixels: limits.top - box.top },
    { edge: "right", pixels: box.right - limits.right },
    { edge: "lower", pixels: box.bottom - limits.bottom },
  ].reduce((most, next) => (next.pixels > most.pixels ? next : most));
}

const describe = ({ edge, pixels }: { edge: string; pixels: number }): string =>
  `${pixels.toFixed(1)} px over the ${edge} edge`;

function boxOf(points: Point[]): Box {
  const [xs, ys] = [points.map(([x]) => x), points.map(([, y]) => y)];
  return { left: Math.min(...xs), top: Math.min(...ys), right: Math.max(...xs), bottom: Math.max(...ys) };
}

const center = ({ left, top, right, bottom }: Box): Point => [(left + right) / 2, (top + bottom) / 2];
const quoted = (text: string): string => JSON.stringify(text);
const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`;
const toPoints = (pixels: number): number => (pixels * 72) / PIXELS_PER_INCH;

/** SVG files of a list of files and folders. */
export function svgFiles(paths: readonly string[]): string[] {
  return paths.flatMap((path) =>
    statSync(path).isDirectory()
      ? readdirSync(path)
          .filter((name) => name.endsWith(".svg"))
          .sort()
          .map((name) => join(path, name))
      : [path],
  );
}

async function main(paths: readonly string[]): Promise<void> {
  const files = svgFiles(paths);
  let count = 0;
  for (const file of files) {
    for (const { kind, what, at } of await legibilityFaults(readFileSync(file, "utf8"))) {
      count++;
      console.log(`${file}: ${kind}: ${what}${at ? ` at (${at.map(Math.round).join(", ")})` : ""}`);
    }
  }
  console.log(files.length === 0 ? "no SVG files" : `${counted(files.length, "figure")}, ${counted(count, "fault")}`);
  if (count > 0 || files.length === 0) process.exitCode = 1;
  await closeBrowser();
}

if (require.main === module) void main(process.argv.slice(2));
