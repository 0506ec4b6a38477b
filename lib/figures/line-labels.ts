// Names at the right ends of lines, so that lines which overlap or cross are told apart without the legend.
import type { Trace } from "./figure";
import type { Panel } from "./panels";
import { escapeText, INK, SMALL, textWidth } from "./theme";

/** Pixels: from the last point to the lead, length of the lead, from the lead to the text, and between two texts. */
const SPACE = { before: 9, lead: 16, text: 1, between: SMALL * 1.15 };
/** Largest share of a panel that the labels may take. */
const LARGEST_SHARE = 0.34;

/** A line to be labeled. */
export interface LabeledLine {
  /** full name, and legend group of the label */
  name: string;
  /** last point of the line */
  end: { x: number; y: number };
  /** CSS color */
  color: string;
}

/**
 * Shortens names that begin alike to what differs, at the beginning of a word: "DataShort" and "DataTiny" to "Short" and
 * "Tiny". A name that is the common beginning itself stays whole.
 */
export function shortNames(names: readonly string[]): string[] {
  if (names.length < 2) return [...names];
  const startsWord = (name: string, at: number): boolean =>
    at === name.length || /[\s_./-]/.test(name[at - 1] ?? "") || /[A-Z]/.test(name[at]);
  let common = Math.min(...names.map(({ length }) => length));
  const isCommon = (): boolean =>
    names.every((name) => name.startsWith(names[0].slice(0, common)) && startsWord(name, common));
  while (common > 0 && !isCommon()) common--;
  return names.map((name) => name.slice(common) || name);
}

/**
 * Computes the space that labels take at the right end of a horizontal axis.
 *
 * @param names full names of the lines
 * @param pixels length of the axis
 * @returns pixels; 0 if fewer than two lines are there, or the labels would take more than a third of the axis
 */
export function labelSpace(names: readonly string[], pixels: number): number {
  if (names.length < 2) return 0;
  const widest = Math.max(...shortNames(names).map((name) => textWidth(name)));
  const space = SPACE.before + SPACE.lead + SPACE.text + widest;
  return space <= LARGEST_SHARE * pixels ? space : 0;
}

/**
 * Labels lines at their right ends: a thin lead from each last point to the name. Labels that would overlap are moved
 * apart, in the order of the ends.
 *
 * @param names of all lines that a panel of the figure may have, by which they are shortened
 * @param unit of the horizontal and the vertical axis per pixel
 * @param range of the vertical axis
 * @returns one trace per line
 */
export function lineLabels(
  lines: readonly LabeledLine[],
  names: readonly string[],
  { x, y, height }: Panel,
  unit: number,
  range: readonly [number, number],
): Trace[] {
  const perPixel = (range[1] - range[0]) / height;
  const places = spread(
    lines.map(({ end }) => (end.y - range[0]) / perPixel),
    SPACE.between,
    [SMALL / 2, height - SMALL / 2],
  );
  const short = shortNames(names);
  return lines.map(({ name, end, color }, i): Trace => {
    const at = range[0] + places[i] * perPixel;
    const to = end.x + (SPACE.before + SPACE.lead) * unit;
    return {
      type: "scatter",
      mode: "lines+text",
      xaxis: x,
      yaxis: y,
      name: escapeText(name),
      legendgroup: name,
      showlegend: false,
      hoverinfo: "skip",
      cliponaxis: false,
      x: [end.x + SPACE.before * unit, to, null, to + SPACE.text * unit],
      y: [end.y, at, null, at],
      line: { color, width: 1 },
      text: ["", "", "", escapeText(short[names.indexOf(name)] ?? name)],
      textposition: "middle right",
      textfont: { size: SMALL, color: INK },
    };
  });
}

/**
 * Moves positions apart as little as is needed for a least distance, without changing their order.
 *
 * @param limits lowest and highest position; they hold as long as there is space
 */
export function spread(positions: readonly number[], distance: number, limits: readonly [number, number]): number[] {
  const order = positions.map((_, i) => i).sort((a, b) => positions[a] - positions[b]);
  // groups of positions that touch stand around their center
  const groups: { members: number[]; center: number }[] = [];
  const centered = (center: number, size: number): number => {
    const half = ((size - 1) * distance) / 2;
    return Math.max(limits[0] + half, Math.min(limits[1] - half, center));
  };
  for (const i of order) {
    groups.push({ members: [i], center: centered(positions[i], 1) });
    for (;;) {
      const [below, above] = groups.slice(-2);
      if (groups.length < 2) break;
      const least = ((below.members.length + above.members.length) / 2) * distance;
      if (above.center - below.center >= least - 1e-9) break;
      const members = [...below.members, ...above.members];
      const center = members.reduce((sum, m) => sum + positions[m], 0) / members.length;
      groups.splice(-2, 2, { members, center: centered(center, members.length) });
    }
  }
  const placed = [...positions];
  for (const { members, center } of groups)
    members.forEach((m, k) => (placed[m] = center + (k - (members.length - 1) / 2) * distance));
  return placed;
}
