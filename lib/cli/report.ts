import { join } from "node:path";
import { studyResults } from "../analysis/study-results";
import { formatBytes } from "../data/format-bytes";
import { writeReport } from "../page/report";
import { outputsFolder } from "../runs/paths";
import { RunStore } from "../runs/store";
import { loadStudy } from "../sweep/study-file";
import { storedRuns } from "../sweep/stored-runs";
import { withTrainedPlws } from "../sweep/trained-plws";
import { say } from "./terminal";
import { pathOf, type Answer, type Values } from "./values";

export async function run(values: Values, signal: AbortSignal): Promise<Answer> {
  const started = performance.now();
  const store = new RunStore(pathOf(values, "store"));
  const study = withTrainedPlws(loadStudy(pathOf(values, "study")), store.root);
  const wanted = storedRuns(study, store);
  const runs = wanted.flatMap((stored) => stored.run ?? []);
  say(`${runs.length} of ${wanted.length} runs are complete. Reading their scores and fitting the models …`);
  const results = await studyResults(study, runs, { storedOnly: true, signal });
  say("Writing the page …");
  const path = join(pathOf(values, "out") ?? outputsFolder(), study.name, "report.html");
  const report = await writeReport(study, results, path, store.root);
  const seconds = (performance.now() - started) / 1000;
  const lacking = [
    ...(report.absent.length > 0 ? [`${report.absent.length} of ${wanted.length} runs are not complete`] : []),
    ...(results.notEvaluated === "" ? [] : results.notEvaluated.split("\n")),
    ...report.missing.map(({ name, reason }) => `${name} is not drawn: ${reason}`),
  ];
  return {
    text: [
      ...lacking.map((line) => `Missing: ${line}`),
      `Report on study ${study.name}: ${report.figures.length} figures, ${formatBytes(report.bytes)}, ` +
        `in ${seconds.toFixed(0)} s: ${path}`,
    ].join("\n"),
    result: { study: study.name, runs: runs.length, notEvaluated: results.notEvaluated, ...report, seconds },
  };
}
