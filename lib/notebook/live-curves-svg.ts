// Loss curves as SVG, drawn without a browser.
import { FONT, GRID, INK, LINE, SMALL, TEXT } from "../figures/theme";
import { escapeHtml } from "../page/html";
import {
  LABEL,
  LEADER,
  livePanels,
  panelSize,
  pictureHeight,
  SIZE,
  type LiveCurve,
  type LivePanel,
} from "./live-curves";

const DASHES: Record<string, string> = { dash: "8 4", dot: "2 3", dashdot: "8 3 2 3" };

/** Draws the curves as SVG of at most 780 pixels width. */
export function curvesSvg(curves: readonly LiveCurve[]): string {
  const height = pictureHeight(curves);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${SIZE.width}" height="${height}" ` +
      `viewBox="0 0 ${SIZE.width} ${height}" font-family="${escapeHtml(`${FONT.family}, Arial, Helvetica, sans-serif`)}" ` +
      `font-size="${SMALL}" fill="${INK}">`,
    `<rect width="${SIZE.width}" height="${height}" fill="white"/>`,
    ...livePanels(curves).map(panelSvg),
    ...legendSvg(curves),
    "</svg>",
  ].join("\n");
}

function panelSvg(panel: LivePanel, index: number): string {
  const { width, height } = panelSize();
  const left = SIZE.left + index * (width + SIZE.gap);
  const x = (value: number): string => px(left + ((value - panel.x[0]) / (panel.x[1] - panel.x[0])) * width);
  const y = (value: number): string => px(SIZE.top + height * (1 - (value - panel.y[0]) / (panel.y[1] - panel.y[0])));
  const bottom = SIZE.top + height;
  const { ticks, text } = niceTicks(panel.y);
  const steps = niceTicks(panel.x).ticks.filter(Number.isInteger);
  return [
    ...ticks.map((tick, i) => [
      line(left, y(tick), left + width, y(tick), GRID),
      line(left - 5, y(tick), left, y(tick), INK),
      `<text x="${left - 8}" y="${y(tick)}" dy="0.35em" text-anchor="end">${text[i]!}</text>`,
    ]),
    ...steps.map((tick) => [
      line(x(tick), bottom, x(tick), bottom + 5, INK),
      `<text x="${x(tick)}" y="${bottom + 20}" text-anchor="middle">${tick}</text>`,
    ]),
    line(left, SIZE.top, left, bottom, INK),
    line(left, bottom, left + width, bottom, INK),
    `<text x="${px(left + width / 2)}" y="18" text-anchor="middle" font-weight="bold" font-size="${TEXT}">` +
      `(${"ab"[index]}) ${panel.title}</text>`,
    `<text x="${px(left + width / 2)}" y="${bottom + 42}" text-anchor="middle" font-size="${TEXT}">step</text>`,
    `<text transform="translate(${left - 48} ${px(SIZE.top + height / 2)}) rotate(-90)" text-anchor="middle" ` +
      `font-size="${TEXT}">nats a token</text>`,
    ...panel.lines.map(({ curve, points, label }) => {
      const end = points.at(-1)!;
      return [
        `<polyline points="${points.map((point) => `${x(point.x)},${y(point.y)}`).join(" ")}" ${strokeOf(curve)}/>`,
        curve.running || points.length === 1
          ? `<circle cx="${x(end.x)}" cy="${y(end.y)}" r="4" fill="${escapeHtml(curve.color)}" fill-opacity="${px(curve.opacity)}"/>`
          : "",
        curve.label === "" ? "" : labelSvg(curve, [x(end.x), y(end.y)], y(label.y)),
      ];
    }),
  ]
    .flat()
    .join("");
}

/** A label right of the end of its curve, which a line connects with it. */
function labelSvg({ color, label }: LiveCurve, [x, y]: [string, string], labelY: string): string {
  return (
    `<path d="M${x} ${y}L${Number(x) + LEADER} ${labelY}" stroke="${escapeHtml(color)}" fill="none"/>` +
    `<text x="${Number(x) + LEADER + 3}" y="${labelY}" dy="0.35em" font-size="${LABEL}">${escapeHtml(label)}</text>`
  );
}

/** The legend below the panels: two columns, filled row by row. */
function legendSvg(curves: readonly LiveCurve[]): string[] {
  const named = curves.filter(({ name }) => name !== "");
  return named.map((curve, i) => {
    const left = SIZE.left + (i % 2) * ((SIZE.width - SIZE.left) / 2);
    const middle = SIZE.height + 6 + (Math.floor(i / 2) + 0.5) * SIZE.legendRow;
    return (
      `<path d="M${left} ${middle}h30" ${strokeOf(curve)}/>` +
      `<text x="${left + 38}" y="${middle}" dy="0.35em" font-size="${LABEL}">${escapeHtml(curve.name)}</text>`
    );
  });
}

function strokeOf({ color, dash, opacity, running }: LiveCurve): string {
  const dashes = DASHES[dash] ? ` stroke-dasharray="${DASHES[dash]}"` : "";
  return (
    `fill="none" stroke="${escapeHtml(color)}" stroke-width="${running ? 1.25 * LINE : LINE}" ` +
    `stroke-opacity="${px(opacity)}" stroke-linejoin="round"${dashes}`
  );
}

function line(
  x1: number | string,
  y1: number | string,
  x2: number | string,
  y2: number | string,
  color: string,
): string {
  return `<path d="M${x1} ${y1}L${x2} ${y2}" stroke="${color}"/>`;
}

/** At most two decimals, to keep the picture small. */
function px(value: number): string {
  return String(Math.round(value * 100) / 100);
}

/** Multiples of 1, 2 or 5 × 10ⁿ within a range, about five of them, and their text with as many decimals as needed. */
function niceTicks([low, high]: readonly [number, number]): { ticks: number[]; text: string[] } {
  const rough = (high - low) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough * 0.7)!;
  const first = Math.ceil(low / step - 1e-9);
  const count = Math.floor(high / step + 1e-9) - first + 1;
  const decimals = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const text = Array.from({ length: count }, (_, i) => ((first + i) * step).toFixed(decimals));
  return { ticks: text.map(Number), text };
}
