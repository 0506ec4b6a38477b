import { distinct } from "../data/group";
import { transformWeight } from "../data/prompt-loss-weight";
import type { Figure, Row } from "./figure";
import { drawRunPanels, type RunPanel } from "./run-panels";
import { COLUMN_INCHES, lookOf, PAGE_INCHES, type Look } from "./theme";
import type { MemorizationRow } from "../analysis/generation-rows";

const KINDS = ["training", "held-out"] as const;

/**
 * Figure 2c, memorization: corpus BLEU of completions generated for training prompts by PLW, held-out prompts beside them as a
 * control, and the share of exact matches below. A point a run, color and marker by data set, dash and marker fill by model.
 *
 * @param rows one a run and kind of prompts; `memorizationRows` makes them
 * @param options.normalizer default: the first row's
 */
export function figure2c(rows: readonly MemorizationRow[], options: { look?: Look; normalizer?: string } = {}): Figure {
  const normalizer = options.normalizer ?? rows[0]?.normalizer;
  const shown = rows.filter((row) => row.normalizer === normalizer);
  const kinds = KINDS.filter((kind) => shown.some(({ prompts }) => prompts === kind));
  const panel = (kind: string, measure: string, value: "bleu" | "exactMatch"): RunPanel => ({
    title: `${kind} prompts`,
    measure,
    axis: { rangemode: "tozero" },
    points: shown
      .filter(({ prompts }) => prompts === kind)
      .map((row) => ({
        dataset: row.dataset,
        variant: row.model,
        plw: row.plw,
        value: row[value],
        standardError: row[`${value}Error`],
        text: `${row.model}, PLW ${row.plw}, seed ${row.seed}`,
      })),
  });
  const panels = [
    ...kinds.map((kind) => panel(kind, "corpus BLEU", "bleu")),
    ...kinds.map((kind) => panel(kind, "exact match (%)", "exactMatch")),
  ];
  const counts = (kind: string) =>
    distinct(shown.filter(({ prompts }) => prompts === kind).map(({ items }) => items)).sort((a, b) => a - b);
  const range = (kind: string) => distinct([counts(kind)[0], counts(kind).at(-1)]).join(" to ");
  return {
    name: "figure2c",
    spec: drawRunPanels(panels, {
      look: lookOf(rows, options.look),
      inches: kinds.length > 1 ? PAGE_INCHES : COLUMN_INCHES,
      columns: Math.max(1, kinds.length),
      panelHeight: 190,
    }),
    rows: shown.map((row): Row => ({ ...row, transformedPlw: transformWeight(row.plw) })),
    caption:
      `Memorization. Completions generated for unique ${kinds.map((kind) => `${kind} prompts (${range(kind)} a run)`).join(" and ")} against the right ones: corpus BLEU ` +
      "(sacreBLEU's nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp) and the share of exact matches, by prompt loss weight (axis: PLW to the power 0.30103). Greedy decoding, " +
      `at most 16 tokens beyond the right completion's length. A point a run, error bars one standard error ${distinct(shown.map(({ seed }) => seed)).length > 1 ? "of the mean over seeds" : "over its prompts (bootstrap for BLEU)"}; ` +
      `${kinds.includes("held-out") ? "held-out rows went through the same transforms as the data set's own; " : ""}normalizer "${normalizer}".`,
  };
}
