import { mkdirSync, statSync } from "node:fs";
import { dirname } from "node:path";
import type { StudyResults } from "../analysis/study-results";
import { writeWhole } from "../export/export";
import { studyFigures, studyTables } from "../figures/study-figures";
import { outputPath } from "../runs/paths";
import { RunStore } from "../runs/store";
import type { Study } from "../sweep/study";
import { storedRuns } from "../sweep/stored-runs";
import { figuresSection, tablesSection } from "./report-figures";
import { markup } from "./report-html";
import { missingSection } from "./report-missing";
import { reportPage } from "./report-page";
import { provenanceSection, recipesSection } from "./report-recipes";
import { runsSection } from "./report-runs";
import { countOf, questionHtml, summarySection } from "./report-summary";
import { textsSection } from "./report-texts";

/** A report that was written. */
export interface Report {
  /** absolute */
  path: string;
  /** size of the file */
  bytes: number;
  /** names of the figures in it */
  figures: string[];
  /** figures of the paper that cannot be drawn, and why */
  missing: { name: string; reason: string }[];
  /** runs of the study that are not complete, and why */
  absent: { name: string; status: string; reason: string }[];
}

/**
 * Writes a study's results as one HTML page to send to others: verdicts, interactive figures, tables, runs with scores,
 * what the models wrote, recipes and provenance. The page needs no other file and no network, and its policy forbids
 * browsers every request. What the study has not got is named with the reason. The page names no folder of this machine.
 *
 * @param results of `studyResults`
 * @param path default: `report.html` in the study's folder of outputs; missing folders are created
 * @param store folder of the run store, in which runs that are not among the results are looked up; default: that of the
 *   results' runs
 * @throws {DataError} if a data set of the study cannot be read
 */
export async function writeReport(
  study: Study,
  results: StudyResults,
  path: string = outputPath(study, "report.html"),
  store: string | undefined = results.runs[0]?.store.root,
): Promise<Report> {
  const { runs } = results;
  const drawn = studyFigures(results);
  const tables = studyTables(results).filter(({ name }) => name !== "claims"); // in the summary
  const known = new Set(runs.map(({ name }) => name));
  const wanted = storedRuns(study, new RunStore(store));
  const absent = wanted.filter(({ name }) => !known.has(name));
  const missing = missingSection(results, drawn, absent);
  const sections = [
    summarySection(results),
    missing,
    figuresSection(drawn.figures),
    tablesSection(tables),
    runsSection(results),
    await textsSection(study, runs),
    recipesSection(study, runs),
    provenanceSection(runs),
  ];
  const incomplete =
    absent.length > 0 || results.notEvaluated !== ""
      ? markup`<p>
          <strong>This report is incomplete:</strong> ${[
            ...(absent.length > 0 ? [`${countOf(absent.length, "run")} of ${wanted.length} not complete`] : []),
            ...(results.notEvaluated === "" ? [] : ["scores missing"]),
          ].join(", ")};
          see <a href="#${missing.id}">what is missing</a>.
        </p>`
      : "";
  const head = markup`<header>
    <h1>Prompt loss weights: study ${study.name}</h1>
    <p class="date">Report of ${new Date().toISOString().slice(0, 10)}, written by Promptloss</p>
    ${questionHtml(results, wanted.length)} ${incomplete}
  </header>`;
  mkdirSync(dirname(path), { recursive: true });
  writeWhole(path, reportPage(`Prompt loss weights: study ${study.name}`, head, sections));
  return {
    path,
    bytes: statSync(path).size,
    figures: drawn.figures.map(({ name }) => name),
    missing: drawn.missing,
    absent: absent.map(({ name, status, reason }) => ({ name, status, reason })),
  };
}
