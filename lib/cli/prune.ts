import { planStudyPruning } from "../analysis/study-pruning";
import { formatBytes } from "../data/format-bytes";
import { pruneRuns } from "../runs/prune";
import { RunStore } from "../runs/store";
import { wantedRuns } from "../sweep/study";
import { loadStudy } from "../sweep/study-file";
import { resolveJobs } from "../sweep/sweep";
import { pathOf, type Answer, type Values } from "./values";

export async function run(values: Values): Promise<Answer> {
  const study = loadStudy(pathOf(values, "study"));
  const store = new RunStore(pathOf(values, "store"));
  const { jobs, failures } = resolveJobs(wantedRuns(study), store);
  const runs = jobs.flatMap(({ id, recipe }) => store.get(id)?.named(recipe) ?? []);
  const plan = await planStudyPruning(study, runs);
  const count = `${plan.prunable.length} ${plan.prunable.length === 1 ? "run" : "runs"}`;
  const lines = [
    ...failures.map(({ run, message }) => `  kept: ${run}: ${message}`),
    ...plan.kept.map(({ run, reason }) => `  kept: ${run.name}: ${reason}`),
    ...plan.prunable.map(({ run, bytes }) => `  ${run.name}: ${formatBytes(bytes)}`),
  ];
  const result = {
    study: study.name,
    store: store.root,
    prunable: plan.prunable.map(({ run: { id, name }, bytes }) => ({ id, name, bytes })),
    kept: plan.kept.map(({ run: { id, name }, reason }) => ({ id, name, reason })),
    failures,
    bytes: plan.bytes,
  };
  if (values.yes === undefined) {
    const next = plan.prunable.length > 0 ? " Nothing was deleted; add --yes to delete them." : "";
    const total = `The parameters of ${count} can go: ${formatBytes(plan.bytes)}.${next}`;
    return { text: [...lines, total].join("\n"), result: { ...result, pruned: 0 } };
  }
  const done = await pruneRuns(plan);
  return {
    text: [
      ...lines,
      ...done.kept.map(({ name, reason }) => `  kept after all: ${name}: ${reason}`),
      `Deleted the parameters of ${done.runs} of ${count}: ${formatBytes(done.bytes)}.`,
    ].join("\n"),
    result: { ...result, kept: [...result.kept, ...done.kept], pruned: done.runs, bytes: done.bytes },
  };
}
