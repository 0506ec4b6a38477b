import { dataFrame } from "./data-frame";
import { BENCHMARKS, benchmarkOfRequest } from "../analysis/benchmarks";
import { resolveTasks } from "../evaluate/registry";
import type { TaskRequest } from "../evaluate/task-request";
import { distinct } from "../data/group";
import type { Row } from "./figure";
import type { Table } from "./table";

/**
 * Builds Table 2, the benchmarks of a study with their type, task, task version, number of shots and metric. Version,
 * shots and kind are those of the evaluation.
 *
 * @param tasks default: the paper's thirteen, by the rules of harness release 0.4.13
 */
export function table2(tasks: readonly TaskRequest[] = BENCHMARKS.map(({ task }) => ({ name: task }))): Table {
  const resolved = resolveTasks(tasks);
  const rows = tasks.map((request, i): Row => {
    const { name, type, group, metrics } = benchmarkOfRequest(request);
    const { task, settings } = resolved[i];
    return {
      benchmark: name,
      type,
      group,
      task: task.name,
      kind: task.kind,
      version: task.version,
      harness: task.harness,
      shots: settings.fewShot ?? task.shots,
      limit: settings.limit ?? null,
      metric: metrics[0],
    };
  });
  return {
    name: "table2",
    frame: dataFrame(
      rows.map(({ benchmark, type, task, shots, metric, version }) => ({
        Benchmark: benchmark,
        Type: type ?? "",
        Task: task,
        Version: version,
        Shots: shots,
        Metric: metric,
      })),
    ),
    rows,
    caption:
      "Benchmark tasks. Type: MC multiple choice, G_S short generation, G_L long generation. Shots: number of few-shot " +
      "examples" +
      (tasks.some(({ name }) => /^truthfulqa_/.test(name))
        ? "; the prompt of TruthfulQA contains six fixed examples in addition"
        : "") +
      `. Requests and metrics follow ${harnesses(rows)}, and for long generation the frameworks of the judges.`,
  };
}

/** The versions of the harness whose rules the tasks follow, in words. */
function harnesses(rows: readonly Row[]): string {
  const versions = distinct(rows.map(({ harness }) => String(harness)));
  return versions.length === 0 ? "lm-evaluation-harness" : `lm-evaluation-harness ${versions.join(" and ")}`;
}
