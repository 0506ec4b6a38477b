import { distinct } from "../data/group";
import { transformWeight } from "../data/prompt-loss-weight";
import type { Figure, Row } from "./figure";
import { drawRunPanels } from "./run-panels";
import { COLUMN_INCHES, lookOf, PAGE_INCHES, type Look } from "./theme";
import type { DistanceRow } from "../analysis/run-rows";

/**
 * Figure 2b, weight distance: the L2 distance between learned and initial weights by PLW. A point a run, lines
 * through the means over seeds; color and marker by data set, dash and marker fill by model; one panel a
 * normalizer where the rows have several.
 *
 * @param rows one a run; `distanceRows` makes them from runs
 */
export function figure2b(rows: readonly DistanceRow[], options: { look?: Look } = {}): Figure {
  const normalizers = distinct(rows.map((row) => row.normalizer));
  const several = normalizers.length > 1;
  const panels = normalizers.map((normalizer) => ({
    title: several ? normalizer : "",
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
      inches: several ? PAGE_INCHES : COLUMN_INCHES,
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
      "Weight distance. L2 distance over all weights between each fine-tuned model and the model it started from, " +
      "by prompt loss weight (axis: PLW to the power 0.30103). A point a run, " +
      `lines through ${distinct(rows.map((row) => row.seed)).length > 1 ? "the means over seeds, with one standard error" : "the points of one model and data set"}; ` +
      `normalizer ${normalizers.map((name) => `"${name}"`).join(", ")}.`,
  };
}
