import { distinct } from "../data/group";
import { transformWeight } from "../data/prompt-loss-weight";
import { normalizersInWords, PLW_AXIS_IN_WORDS, runsInWords } from "./captions";
import type { Figure, Row } from "./figure";
import { drawRunPanels } from "./run-panels";
import { COLUMN_INCHES, lookOf, PAGE_INCHES, type Look } from "./theme";
import type { DistanceRow } from "../analysis/run-rows";

/**
 * Draws Figure 2b, weight distance: the L2 distance between fine-tuned and initial parameters by PLW. Points are runs;
 * lines connect the means over seeds. Color and marker show the data set, dash and marker fill the model. If the rows
 * have several normalizers, each has its own panel.
 *
 * @param rows one per run, from `distanceRows`
 * @param options.look colors, markers and dashes; default: order of first appearance in the rows
 */
export function figure2b(rows: readonly DistanceRow[], options: { look?: Look } = {}): Figure {
  const normalizers = distinct(rows.map((row) => row.normalizer));
  const hasNormalizers = normalizers.length > 1;
  const hasSeeds = distinct(rows.map((row) => row.seed)).length > 1;
  const panels = normalizers.map((normalizer) => ({
    title: hasNormalizers ? normalizer : "",
    measure: "L2 distance from start",
    points: rows
      .filter((row) => row.normalizer === normalizer)
      .map(({ dataset, model, plw, seed, distance }) => ({
        dataset,
        variant: model,
        plw,
        value: distance,
        text: `${model}, PLW ${plw}, seed ${seed}`,
      })),
  }));
  return {
    name: "figure2b",
    spec: drawRunPanels(panels, {
      look: lookOf(rows, options.look),
      inches: hasNormalizers ? PAGE_INCHES : COLUMN_INCHES,
      columns: Math.min(normalizers.length, 2),
      panelHeight: 240,
    }),
    rows: rows.map((row): Row => ({
      dataset: row.dataset,
      model: row.model,
      normalizer: row.normalizer,
      seed: row.seed,
      plw: row.plw,
      transformedPlw: transformWeight(row.plw),
      distance: row.distance,
    })),
    caption:
      "Weight distance. L2 distance over all parameters between each fine-tuned model and its initial model, by " +
      `prompt loss weight (PLW). ${PLW_AXIS_IN_WORDS}. Each point is one run (${runsInWords(rows)} ` +
      "in total); lines connect " +
      (hasSeeds
        ? "the means over seeds, with one standard error of the mean as error bars; "
        : "the runs of one model and data set; ") +
      `${normalizersInWords(rows)}.`,
  };
}
