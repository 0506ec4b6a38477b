import { checkRowsOf } from "../analysis/row-schemas";
import { checkOptions } from "../data/arguments";
import { dataFrame } from "./data-frame";
import type { RatioFit } from "../analysis/ratio-fits";
import { RECOMMENDATION_OPTIONS, recommendWeight, type RecommendationOptions } from "../analysis/recommendation";
import { PAPER_TABLE4, TABLE4_RATIOS } from "../analysis/table-rows";
import type { Row } from "./figure";
import type { Table } from "./table";
import { severalArmsInWords, doubtsInWords } from "./table-captions";

/**
 * Builds Table 4, the recommended PLW by generation ratio, benchmark group and arm. The columns of the paper follow for
 * comparison. A star marks ratios at which the prediction varies over all PLWs by less than 5 % of the range named by
 * `base`. A group without a fit has dashes; the caption names the fits that are to be doubted, with the reasons.
 *
 * @param fits one per arm and benchmark group, from `fitRatios`
 * @param settings of `recommendWeight`; default of `base`: "scores"
 * @throws {StatisticsError} as `recommendWeight`
 */
export function table4(fits: readonly RatioFit[], settings: RecommendationOptions = {}): Table {
  const { base = "scores", ...options } = checkOptions("table4", settings, RECOMMENDATION_OPTIONS);
  checkRowsOf("table4", "ratioFit", fits);
  const cell = (plw: number, starred: boolean): string => plw.toFixed(3) + (starred ? "*" : "");
  const groups = fits.map(({ group, arm, fit, trust, reasons }) => ({
    group,
    arm,
    name: arm === "" ? group : `${group} (${arm})`,
    trust: fit ? trust : ("trustworthy" as const),
    reasons,
    cells: TABLE4_RATIOS.map((ratio) => fit && recommendWeight(fit, ratio, { base, ...options })),
  }));
  const published = Object.entries(PAPER_TABLE4);
  const baseInWords = base === "scores" ? "the observed min-max transformed scores" : "the smooth's predictions";
  const severalArms = fits.some(({ arm }) => arm !== "");
  const ratios = fits.flatMap(({ rows }) => rows.map(({ r }) => r ?? NaN)).filter(Number.isFinite);
  return {
    name: "table4",
    frame: dataFrame(
      TABLE4_RATIOS.map((ratio, i) => ({
        R_g: ratio.toFixed(1),
        ...Object.fromEntries(
          groups.map(({ name, cells }) => [name, cells[i] ? cell(cells[i].weight.plw, cells[i].starred) : "-"]),
        ),
        ...Object.fromEntries(
          published.map(([group, cells]) => [`${group} (paper)`, cell(cells[i].plw, cells[i].starred)]),
        ),
      })),
    ),
    rows: TABLE4_RATIOS.flatMap((ratio, i): Row[] => [
      ...groups.map(({ group, arm, cells }): Row => {
        const recommendation = cells[i];
        return {
          source: "this study",
          group,
          ...(severalArms && { arm }),
          ratio,
          plw: recommendation?.weight.plw ?? null,
          lower: recommendation?.interval.lower.plw ?? null,
          upper: recommendation?.interval.upper.plw ?? null,
          relativeSpan: recommendation?.relativeSpan ?? null,
          starred: recommendation?.starred ?? null,
        };
      }),
      ...published.map(([group, cells]): Row => ({
        source: "paper",
        group,
        ...(severalArms && { arm: "" }),
        ratio,
        plw: cells[i].plw,
        lower: null,
        upper: null,
        relativeSpan: null,
        starred: cells[i].starred,
      })),
    ]),
    caption:
      "Prompt loss weight (PLW) with the highest predicted score by generation ratio R_g, for all benchmarks (All), " +
      "multiple choice (MC), and generation except translation (Gen), from the smooth of PLW and R_g in additive " +
      "models. A star marks ratios at which the prediction varies over all PLWs by less than 5 % of the range of " +
      `${baseInWords}. ` +
      (ratios.length > 0
        ? `The data have ratios from ${Math.min(...ratios).toPrecision(2)} to ${Math.max(...ratios).toPrecision(2)}; ` +
          "rows outside this range are extrapolated. "
        : "") +
      "Columns marked (paper) are as published; the paper does not define the base of its 5 %." +
      severalArmsInWords(fits.map(({ arm }) => arm)) +
      doubtsInWords(groups, "not to be trusted") +
      doubtsInWords(groups, "with care"),
  };
}
