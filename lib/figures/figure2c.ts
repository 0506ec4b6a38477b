import { checkRowsOf } from "../analysis/row-schemas";
import { distinct } from "../data/group";
import { transformWeight } from "../data/prompt-loss-weight";
import { armsInWords, facetsInWords, PLW_AXIS_IN_WORDS, runsInWords } from "./captions";
import { facetsOf, type Facet } from "./facets";
import type { Figure, Row } from "./figure";
import { columnsFor } from "./panels";
import { drawRunPanels, type RunPanel } from "./run-panels";
import { checkLook, COLUMN_INCHES, datasetStyle, INK, lettered, lookOf, PAGE_INCHES, type Look } from "./theme";
import type { MemorizationRow } from "../analysis/generation-rows";

/** Kinds of prompts, the control first and thus behind. */
const KINDS = ["held-out", "training"] as const;

const MEASURES = [
  { title: "corpus BLEU", value: "bleu", error: "bleuError" },
  { title: "exact match (%)", value: "exactMatch", error: "exactMatchError" },
] as const;
/** Color and marker of the control. */
const CONTROL = { color: "#8A8A8A", symbol: "triangle-down" };
/** Most panels in a row. */
const MOST_COLUMNS = 5;

/**
 * Draws Figure 2c, memorization, by PLW: corpus BLEU of the completions generated for training prompts, with held-out
 * prompts as a control in grey, and below them the share of exact matches in per cent. Each data set has its panel for
 * both. Points are runs. Dash and marker fill show the model. Each arm has its block of panels.
 *
 * @param rows one per run and kind of prompts, from `memorizationRows`
 * @param options.look colors, markers and dashes; default: order of first appearance in the rows
 */
export function figure2c(rows: readonly MemorizationRow[], options: { look?: Look } = {}): Figure {
  checkRowsOf("figure2c", "memorization", rows);
  checkLook("figure2c", options);
  const look = lookOf(rows, options.look);
  const kinds = KINDS.filter((kind) => rows.some(({ prompts }) => prompts === kind));
  const datasets = look.datasets.filter((name) => rows.some(({ dataset }) => dataset === name));
  const blocks = facetsOf(rows, (armRows) =>
    MEASURES.map((measure) => datasets.map((dataset) => panelOf(dataset, measure, armRows))),
  );
  const columns = columnsOf(datasets, blocks.length);
  return {
    name: "figure2c",
    spec: drawRunPanels(columns < datasets.length ? blocks.flatMap(facetPerMeasure) : blocks.map(singleFacet), {
      look: { datasets: kinds.map(promptsInWords), models: look.models },
      inches: datasets.length > 1 ? PAGE_INCHES : COLUMN_INCHES,
      columns,
      panelHeight: 170,
      styleOf: (prompts, panel) =>
        prompts === promptsInWords("held-out")
          ? CONTROL
          : panel
            ? datasetStyle(look, panel.title)
            : { color: INK, symbol: "circle" },
    }),
    rows: rows.map((row): Row => ({ ...row, transformedPlw: transformWeight(row.plw) })),
    caption: captionOf(rows, kinds),
  };
}

/** The panels of an arm, by measure and data set. */
type Block = Facet<RunPanel[]>;

function promptsInWords(kind: string): string {
  return `${kind} prompts`;
}

function panelOf(dataset: string, measure: (typeof MEASURES)[number], rows: readonly MemorizationRow[]): RunPanel {
  return {
    title: dataset,
    measure: measure.title,
    axis: { rangemode: "tozero" },
    points: rows
      .filter((row) => row.dataset === dataset)
      .map((row) => ({
        dataset: promptsInWords(row.prompts),
        dash: row.model,
        plw: row.plw,
        value: row[measure.value],
        standardError: row[measure.error],
        text: `${row.model}, PLW ${row.plw}, seed ${row.seed}`,
      })),
  };
}

/** Number of columns: one per data set, or, if they do not fit in a row, as many as leave the last row nearly full. */
function columnsOf(datasets: readonly string[], arms: number): number {
  const letters = datasets.map((name, i) => lettered(name, i, MEASURES.length * datasets.length * arms));
  const space = { width: Math.round(PAGE_INCHES * 144), margin: { l: 66, r: 10, t: 0, b: 0 }, gap: { x: 20, y: 0 } };
  const most = columnsFor(letters, MOST_COLUMNS, space);
  return Math.ceil(datasets.length / Math.max(1, Math.ceil(datasets.length / most))) || 1;
}

/** One row per measure, with one column per data set. */
function singleFacet(block: Block): Facet<RunPanel> {
  return { ...block, panels: block.panels.flat() };
}

/** A facet of several rows per measure; the first bears the name of the arm. */
function facetPerMeasure(block: Block): Facet<RunPanel>[] {
  return block.panels.map((panels, i) => ({ ...block, name: i === 0 ? block.name : "", panels }));
}

function captionOf(rows: readonly MemorizationRow[], kinds: readonly string[]): string {
  const prompts = [...kinds]
    .reverse()
    .map((kind) => `${kind} prompts (${promptCounts(rows, kind)} per run)`)
    .join(" and ");
  const hasSeeds = distinct(rows.map(({ seed }) => seed)).length > 1;
  return (
    `Memorization. Completions generated for unique ${prompts}, compared with the reference completions, by prompt ` +
    "loss weight (PLW): corpus BLEU (sacreBLEU's nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp) and the share of " +
    "exact matches. Training prompts are in the color of the data set, held-out prompts in grey. " +
    `${PLW_AXIS_IN_WORDS}. Greedy decoding, at most 16 tokens beyond the length of the reference ` +
    `completion. Each column of panels is one data set, each point one run (${runsInWords(rows)} in total); lines connect the ` +
    (hasSeeds
      ? "means over seeds, with one standard error of the mean as error bars. "
      : "runs of one model and data set; error bars are one standard error over a run's prompts " +
        "(bootstrap for BLEU). ") +
    (kinds.includes("held-out") ? "Held-out examples underwent the same transforms as the training data. " : "") +
    `Loss ${armsInWords(rows)}.${facetsInWords(rows)}`
  );
}

/** Number of prompts per run as text, "64" or, if it differs between runs, "60 to 64". */
function promptCounts(rows: readonly MemorizationRow[], kind: string): string {
  const counts = rows.filter(({ prompts }) => prompts === kind).map(({ items }) => items);
  return distinct([Math.min(...counts), Math.max(...counts)]).join(" to ");
}
