import { distinct } from "../data/group";
import { transformWeight } from "../data/prompt-loss-weight";
import { armsInWords, facetsInWords, PLW_AXIS_IN_WORDS, runsInWords } from "./captions";
import { facetsOf } from "./facets";
import type { Figure, Row } from "./figure";
import { drawRunPanels, type RunPanel } from "./run-panels";
import { COLUMN_INCHES, lookOf, PAGE_INCHES, type Look } from "./theme";
import type { MemorizationRow } from "../analysis/generation-rows";

const KINDS = ["training", "held-out"] as const;

/**
 * Draws Figure 2c, memorization, by PLW: corpus BLEU of the completions generated for training prompts, with held-out
 * prompts beside them as a control, and below both the share of exact matches in per cent. Points are runs. Color and
 * marker show the data set, dash and marker fill the model. Each arm has its block of panels.
 *
 * @param rows one per run and kind of prompts, from `memorizationRows`
 * @param options.look colors, markers and dashes; default: order of first appearance in the rows
 */
export function figure2c(rows: readonly MemorizationRow[], options: { look?: Look } = {}): Figure {
  const kinds = KINDS.filter((kind) => rows.some(({ prompts }) => prompts === kind));
  const panel = (
    armRows: readonly MemorizationRow[],
    kind: string,
    measure: string,
    value: "bleu" | "exactMatch",
  ): RunPanel => ({
    title: `${kind} prompts`,
    measure,
    axis: { rangemode: "tozero" },
    points: armRows
      .filter(({ prompts }) => prompts === kind)
      .map((row) => ({
        dataset: row.dataset,
        dash: row.model,
        plw: row.plw,
        value: row[value],
        standardError: row[`${value}Error`],
        text: `${row.model}, PLW ${row.plw}, seed ${row.seed}`,
      })),
  });
  const facets = facetsOf(rows, (armRows) => [
    ...kinds.map((kind) => panel(armRows, kind, "corpus BLEU", "bleu")),
    ...kinds.map((kind) => panel(armRows, kind, "exact match (%)", "exactMatch")),
  ]);
  return {
    name: "figure2c",
    spec: drawRunPanels(facets, {
      look: lookOf(rows, options.look),
      inches: kinds.length > 1 ? PAGE_INCHES : COLUMN_INCHES,
      columns: Math.max(1, kinds.length),
      panelHeight: 190,
    }),
    rows: rows.map((row): Row => ({ ...row, transformedPlw: transformWeight(row.plw) })),
    caption: captionOf(rows, kinds),
  };
}

function captionOf(rows: readonly MemorizationRow[], kinds: readonly string[]): string {
  const prompts = kinds.map((kind) => `${kind} prompts (${promptCounts(rows, kind)} per run)`).join(" and ");
  const hasSeeds = distinct(rows.map(({ seed }) => seed)).length > 1;
  return (
    `Memorization. Completions generated for unique ${prompts}, compared with the reference completions, by prompt ` +
    "loss weight (PLW): corpus BLEU (sacreBLEU's nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp) and the share of " +
    `exact matches. ${PLW_AXIS_IN_WORDS}. Greedy decoding, at most 16 tokens beyond the length of the reference ` +
    `completion. Each point is one run (${runsInWords(rows)} in total); lines connect the ` +
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
