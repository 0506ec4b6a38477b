import { checkRowsOf } from "../analysis/row-schemas";
import { distinct } from "../data/group";
import { transformWeight } from "../data/prompt-loss-weight";
import { armsOf } from "../analysis/arms";
import { armsInWords, facetsInWords, PLW_AXIS_IN_WORDS, runsInWords } from "./captions";
import { armColumns, armPanelColumns } from "./facets";
import type { Figure, Row } from "./figure";
import { drawRunPanels } from "./run-panels";
import { checkLook, COLUMN_INCHES, lookOf, PAGE_INCHES, type Look } from "./theme";
import type { DistanceRow } from "../analysis/run-rows";

/**
 * Draws Figure 2b, weight distance: the L2 distance between fine-tuned and initial parameters by PLW. Points are runs;
 * lines connect the means over seeds. Color and marker show the data set, dash and marker fill the model. Each arm has
 * its own panel.
 *
 * @param rows one per run, from `distanceRows`
 * @param options.look colors, markers and dashes; default: order of first appearance in the rows
 */
export function figure2b(rows: readonly DistanceRow[], options: { look?: Look } = {}): Figure {
  checkRowsOf("figure2b", "distance", rows);
  checkLook("figure2b", options);
  const hasSeeds = distinct(rows.map((row) => row.seed)).length > 1;
  const panels = armsOf(rows).map(({ name, rows: armRows }) => ({
    title: name,
    measure: "L2 distance to initial model",
    points: armRows.map(({ dataset, model, plw, seed, distance }) => ({
      dataset,
      dash: model,
      plw,
      value: distance,
      text: `${model}, PLW ${plw}, seed ${seed}`,
    })),
  }));
  return {
    name: "figure2b",
    spec: drawRunPanels([{ name: "", panels }], {
      look: lookOf(rows, options.look),
      inches: panels.length > 1 ? PAGE_INCHES : COLUMN_INCHES,
      columns: armPanelColumns(panels.length),
      panelHeight: 240,
    }),
    rows: rows.map((row): Row => ({
      dataset: row.dataset,
      model: row.model,
      ...armColumns(row),
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
      `${armsInWords(rows)}.${facetsInWords(rows, "Each panel")}`,
  };
}
