import { RunStore } from "../runs/store";
import { wantedRuns } from "../sweep/study";
import { loadStudy } from "../sweep/study-file";
import { resolveJobs } from "../sweep/sweep";
import { pathOf, type Answer, type Values } from "./values";

export function run(values: Values): Answer {
  const study = loadStudy(pathOf(values, "study"));
  const store = new RunStore(pathOf(values, "store"));
  const { jobs, failures } = resolveJobs(wantedRuns(study), store);
  const runs = jobs.map(({ id, name }) => {
    const run = store.get(id);
    return {
      id,
      name,
      status: run?.status ?? "missing",
      pruned: run?.pruned ?? null,
      steps: run?.records.length ?? 0,
      totalSteps: run?.record.totalSteps ?? null,
      error: run?.error?.message ?? null,
    };
  });
  const counts: Record<string, number> = {};
  for (const { status } of runs) counts[status] = (counts[status] ?? 0) + 1;
  if (failures.length > 0) counts.impossible = failures.length;
  const unfinished = runs
    .filter(({ status }) => status !== "complete" && status !== "missing")
    .map(
      ({ name, status, steps, totalSteps, error }) =>
        `  ${name}: ${status}, step ${steps} of ${totalSteps}${error ? `: ${error}` : ""}`,
    );
  const pruned = runs.filter((run) => run.pruned).length;
  const text = [
    `Study ${study.name} in ${store.root}: ${Object.entries(counts)
      .map(([status, count]) => `${count} ${status}${status === "complete" && pruned > 0 ? ` (${pruned} pruned)` : ""}`)
      .join(", ")} of ${runs.length + failures.length} runs`,
    ...unfinished,
    ...failures.map(({ run, message }) => `  ${run}: ${message}`),
  ].join("\n");
  return { text, result: { study: study.name, store: store.root, counts, pruned, runs, failures } };
}
