import "../model/environment"; // danfojs loads TensorFlow, which reads its settings once
import { DataFrame } from "danfojs-node";
import type { RatioFit } from "../analysis/ratio-fits";
import { recommendWeight, type RecommendationOptions } from "../analysis/recommendation";
import { PAPER_TABLE4, TABLE4_RATIOS } from "../analysis/table-rows";
import type { Row } from "./figure";
import type { Table } from "./table";

/**
 * Table 4, the recommended weight by generation ratio and benchmark group, with the paper's columns beside ours. A
 * star: over all weights the prediction moves by less than 5 % of `base`. A group without a fit has dashes.
 */
export function table4(fits: readonly RatioFit[], { base = "scores", ...options }: RecommendationOptions = {}): Table {
  const cell = (plw: number, starred: boolean): string => plw.toFixed(3) + (starred ? "*" : "");
  const found = fits.map(({ group, fit }) => ({
    group,
    cells: TABLE4_RATIOS.map((ratio) => fit && recommendWeight(fit, ratio, { base, ...options })),
  }));
  const published = Object.entries(PAPER_TABLE4);
  const baseInWords = base === "scores" ? "the observed min-max transformed scores" : "the smooth's predictions";
  const ranges = fits.flatMap(({ rows }) => rows.map(({ r }) => r ?? NaN)).filter(Number.isFinite);
  return {
    name: "table4",
    frame: new DataFrame(
      TABLE4_RATIOS.map((ratio, i) => ({
        R_g: ratio.toFixed(1),
        ...Object.fromEntries(
          found.map(({ group, cells }) => [group, cells[i] ? cell(cells[i].weight.plw, cells[i].starred) : "-"]),
        ),
        ...Object.fromEntries(
          published.map(([group, cells]) => [`${group} (paper)`, cell(cells[i].plw, cells[i].starred)]),
        ),
      })),
    ),
    rows: TABLE4_RATIOS.flatMap((ratio, i): Row[] => [
      ...found.map(({ group, cells }): Row => {
        const one = cells[i];
        return {
          source: "this study",
          group,
          ratio,
          plw: one?.weight.plw ?? null,
          lower: one?.interval.lower.plw ?? null,
          upper: one?.interval.upper.plw ?? null,
          relativeSpan: one?.relativeSpan ?? null,
          starred: one?.starred ?? null,
        };
      }),
      ...published.map(([group, cells]): Row => ({
        source: "paper",
        group,
        ratio,
        plw: cells[i].plw,
        lower: null,
        upper: null,
        relativeSpan: null,
        starred: cells[i].starred,
      })),
    ]),
    caption:
      "Optimal prompt loss weight by generation ratio R_g, on all benchmarks (All), multiple choice (MC), and " +
      "generation except translation (Gen), from the ratio-PLW part of fitted additive models. * Over all weights " +
      `the prediction varies by less than 5 % of the range of ${baseInWords}. ` +
      (ranges.length > 0
        ? `The data have ratios from ${Math.min(...ranges).toPrecision(2)} to ${Math.max(...ranges).toPrecision(2)}; ` +
          "outside that range the model extrapolates. "
        : "") +
      "The columns of the paper are as published; the paper does not define the base of its 5 %.",
  };
}
