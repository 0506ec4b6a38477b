import { distinct } from "../lib/data/group";
import type { Figure, Layout } from "../lib/figures/figure";
import { panelGrid } from "../lib/figures/panels";
import { DATASET_COLORS, LINE, PAGE_INCHES, axis, baseLayout } from "../lib/figures/theme";
import { PIXELS_PER_INCH } from "../lib/figures/figure";

export interface GrowthPoint {
  factor: string;
  value: number;
  tokensPerSecond: number;
  gigaflops: number;
  share: number;
  megabytes: number;
}

const MEASURES = [
  ["tokensPerSecond", "tokens/s"],
  ["share", "share of product rate"],
  ["megabytes", "peak memory, MB"],
] as const;

/** A column a factor, a row a measure; factors on a logarithmic axis, and a measure where it spans more than one power of ten. */
export function growthFigure(points: readonly GrowthPoint[]): Figure {
  const factors = distinct(points.map(({ factor }) => factor));
  const width = PAGE_INCHES * PIXELS_PER_INCH;
  const height = 0.8 * width;
  const margin = { l: 84, r: 12, t: 12, b: 56 };
  const panels = panelGrid({
    count: factors.length * MEASURES.length,
    columns: factors.length,
    width,
    height,
    margin,
    gap: { x: 64, y: 28 },
  });
  const layout: Layout = { margin, showlegend: false };
  const data = MEASURES.flatMap(([measure, title], row) =>
    factors.map((factor, column) => {
      const panel = panels[row * factors.length + column];
      const own = points.filter((point) => point.factor === factor);
      layout[panel.xaxis] = axis(panel.isBottom ? factor : null, {
        type: "log",
        domain: panel.domain.x,
        anchor: panel.y,
        tickvals: own.map(({ value }) => value),
        ticktext: own.map(({ value }) => short(value)),
        showticklabels: panel.isBottom,
      });
      layout[panel.yaxis] = axis(panel.isLeft ? title : null, {
        domain: panel.domain.y,
        anchor: panel.x,
        ...(measure === "share"
          ? { range: [0, 1.05] }
          : spans(own, measure)
            ? { type: "log", dtick: 1 }
            : { rangemode: "tozero" }),
      });
      return {
        type: "scatter",
        mode: "lines+markers",
        x: own.map(({ value }) => value),
        y: own.map((point) => point[measure]),
        xaxis: panel.x,
        yaxis: panel.y,
        line: { color: DATASET_COLORS[0], width: LINE },
        marker: { size: 8 },
      };
    }),
  );
  return {
    name: "growth",
    spec: { data, layout: baseLayout({ width: PAGE_INCHES, height: 0.8 * PAGE_INCHES }, layout) },
    rows: points.map((point) => ({ ...point })),
    caption:
      "How training goes with sequence length, batch and parameters, one factor at a time: real tokens a second, share of the machine's rate of " +
      "matrix products (counting only what the arithmetic needs), and peak memory of the process.",
  };
}

function spans(points: readonly GrowthPoint[], measure: "tokensPerSecond" | "megabytes"): boolean {
  const values = points.map((point) => point[measure]);
  return Math.max(...values) > 10 * Math.min(...values);
}

const short = (value: number) =>
  value >= 1e6 ? `${Math.round(value / 1e6)}M` : value >= 1e5 ? `${(value / 1e6).toFixed(1)}M` : String(value);
