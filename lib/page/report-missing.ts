// What a study has not got: runs, parameters, scores, figures, and why.
import type { StudyResults } from "../analysis/study-results";
import { groupBy } from "../data/group";
import type { StudyFigures } from "../figures/study-figures";
import type { StoredRun } from "../sweep/stored-runs";
import { markup, type Markup } from "./report-html";
import type { Section } from "./report-page";
import { countOf } from "./report-summary";
import { withoutPaths } from "./without-paths";

/**
 * Names what is missing, with the reasons.
 *
 * @param absent the study's runs that are not among the results
 */
export function missingSection(
  results: StudyResults,
  { figures, missing }: Pick<StudyFigures, "figures" | "missing">,
  absent: readonly StoredRun[],
): Section {
  const pruned = results.runs.filter((run) => run.pruned).length;
  const lists: [title: string, entries: readonly (string | Markup)[]][] = [
    ["Runs", absentRuns(absent)],
    [
      "Parameters",
      pruned === 0
        ? []
        : [`${countOf(pruned, "run")} without parameters, which were deleted to save space; results stay`],
    ],
    ["Scores", results.notEvaluated === "" ? [] : results.notEvaluated.split("\n").map(withoutPaths)],
    ["Figures", missing.map(({ name, reason }) => `${name}: ${withoutPaths(reason)}`)],
    ["Left out of figures", figures.flatMap(({ name, leftOut = [] }) => leftOut.map((what) => `${name}: ${what}`))],
  ];
  const filled = lists.filter(([, entries]) => entries.length > 0);
  return {
    id: "missing",
    title: "What is missing",
    content:
      filled.length === 0
        ? markup`<p>Nothing: every run is complete and scored on every task, and every figure is drawn.</p>`
        : markup`${filled.map(
            ([title, entries]) =>
              markup`<h3>${title}</h3>
                <ul>
                  ${entries.map((entry) => markup`<li>${entry}</li>`)}
                </ul> `,
          )}`,
  };
}

/** One entry per status and reason, with the runs' names in a fold if there are several. */
function absentRuns(absent: readonly StoredRun[]): Markup[] {
  return [...groupBy(absent, ({ status, reason }) => JSON.stringify([status, reason])).values()].map((group) => {
    const [{ name, status, reason }] = group;
    const why = `${status}${reason === "" ? "" : `: ${withoutPaths(reason)}`}`;
    if (group.length === 1) return markup`${name}: ${why}`;
    return markup`${countOf(group.length, "run")} ${why}
      <details>
        <summary>their names</summary>
        <ul>
          ${group.map((run) => markup`<li>${run.name}</li>`)}
        </ul>
      </details>`;
  });
}
