import { distinct } from "../lib/data/group";
import type { Figure, Layout } from "../lib/figures/figure";
import { panelGrid } from "../lib/figures/panels";
import { DATASET_COLORS, LINE, PAGE_INCHES, axis, baseLayout } from "../lib/figures/theme";
import { PIXELS_PER_INCH } from "../lib/figures/figure";

/** One measurement of the growth benchmark. */
export interface GrowthPoint {
  /** the factor that varies: "sequence length", "batch" or "parameters" */
  factor: string;
  /** the factor's value */
  value: number;
  tokensPerSecond: number;
  /** required floating-point operations per second, in units of 1e9 */
  gigaflops: number;
  /** share of the machine's matrix-product rate, 0 to 1 */
  share: number;
  /** peak memory of the process, in units of 2^20 bytes */
  megabytes: number;
}

const MEASURES = [
  ["tokensPerSecond", "tokens/s"],
  ["share", "share of product rate"],
  ["megabytes", "peak memory, MB"],
] as const;

/**
 * Draws one column per factor and one row per measure. Factors have a logarithmic axis, and so has a measure that spans
 * more than one power of ten.
 */
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
      const series = points.filter((point) => point.factor === factor);
      layout[panel.xaxis] = axis(panel.isBottom ? factor : null, {
        type: "log",
        domain: panel.domain.x,
        anchor: panel.y,
        tickvals: series.map(({ value }) => value),
        ticktext: series.map(({ value }) => short(value)),
        showticklabels: panel.isBottom,
      });
      layout[panel.yaxis] = axis(panel.isLeft ? title : null, {
        domain: panel.domain.y,
        anchor: panel.x,
        ...(measure === "share"
          ? { range: [0, 1.05] }
          : spans(series, measure)
            ? { type: "log", dtick: 1 }
            : { rangemode: "tozero" }),
      });
      return {
        type: "scatter",
        mode: "lines+markers",
        x: series.map(({ value }) => value),
        y: series.map((point) => point[measure]),
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
      "Training by sequence length, batch size and number of parameters, one factor at a time: tokens per second " +
      "(without padding), share of the machine's matrix-product rate (counting only required arithmetic), and peak " +
      "memory of the process.",
  };
}

function spans(points: readonly GrowthPoint[], measure: "tokensPerSecond" | "megabytes"): boolean {
  const values = points.map((point) => point[measure]);
  return Math.max(...values) > 10 * Math.min(...values);
}

const short = (value: number) =>
  value >= 1e6 ? `${Math.round(value / 1e6)}M` : value >= 1e5 ? `${(value / 1e6).toFixed(1)}M` : String(value);
