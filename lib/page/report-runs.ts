// The runs of a report: what was trained, and with which scores.
import { runRows } from "../analysis/run-rows";
import type { StudyResults } from "../analysis/study-results";
import { distinct } from "../data/group";
import { dataBlock, markup, tableHtml } from "./report-html";
import type { Section } from "./report-page";
import { tableData, type TableLike } from "./table-view";

/** A table of all runs with their scores, to sort and search, and the same table as it is. */
export function runsSection(results: StudyResults): Section {
  const table = runsTable(results);
  return {
    id: "runs",
    title: "Runs and scores",
    content:
      table.values.length === 0
        ? markup`<p>No run is complete.</p>`
        : markup`<p>
              One row per run. Scores in per cent, as in the figures; losses are means over the last tenth of the steps,
              in nats per token.
            </p>
            <div class="screen" data-view="table" data-from="runs-data"></div>
            ${dataBlock("runs-data", tableData(table))}
            <details class="screen">
              <summary>The same as a plain table</summary>
              ${tableHtml(table.columns, table.values)}
            </details>`,
  };
}

/** Factors that differ between runs first, then the scores, the losses, and the run's id. */
export function runsTable({ runs, rows }: StudyResults): TableLike & { values: (string | number | null)[][] } {
  const summaries = runRows(runs);
  const names = [
    "model",
    "dataset",
    "normalizer",
    "completionWeight",
    "partWeights",
    "variant",
    "seed",
    "plw",
  ] as const;
  const factors = names.filter((name) => name === "plw" || distinct(summaries.map((row) => row[name])).length > 1);
  const benchmarks = distinct(rows.map(({ benchmark }) => benchmark));
  const scores = new Map(rows.map(({ run, benchmark, score }) => [JSON.stringify([run, benchmark]), score]));
  const rounded = (value: number | null | undefined, digits: number) =>
    value === null || value === undefined ? null : Number(value.toFixed(digits));
  const titles = {
    ...{ model: "Model", dataset: "Data set", normalizer: "Normalizer" },
    ...{ completionWeight: "λr", partWeights: "Part weights", variant: "Variant", seed: "Seed" },
  };
  return {
    columns: [
      ...factors.map((name) => (name === "plw" ? "PLW" : titles[name])),
      ...benchmarks,
      ...["Loss", "Completion loss", "Prompt loss", "Steps", "Run id"],
    ],
    values: summaries.map((row) => [
      ...factors.map((name) => row[name] ?? null),
      ...benchmarks.map((benchmark) => scores.get(JSON.stringify([row.run, benchmark])) ?? null),
      ...[row.loss, row.completionLoss, row.promptLoss].map((loss) => rounded(loss, 4)),
      row.steps,
      row.run,
    ]),
  };
}
