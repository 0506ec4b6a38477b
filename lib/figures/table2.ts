import { dataFrame } from "./data-frame";
import { BENCHMARKS } from "../analysis/benchmarks";
import { allTasks } from "../evaluate/registry";
import type { Row } from "./figure";
import type { Table } from "./table";

/**
 * Builds Table 2, the benchmarks with their type, task, task version, number of shots and metric. Version, shots and
 * kind are read from the task registry, so that they agree with the evaluation.
 *
 * @param tasks task names; default: the full (not pocket) tasks of all thirteen benchmarks
 */
export function table2(tasks: readonly string[] = BENCHMARKS.map((benchmark) => benchmark.tasks[0])): Table {
  const registry = new Map(allTasks().map((task) => [task.name, task]));
  const rows = BENCHMARKS.flatMap(({ name, type, group, metrics, tasks: benchmarkTasks }) =>
    benchmarkTasks
      .filter((task) => tasks.includes(task))
      .map((task): Row => {
        const { version, shots, harness, kind } = registry.get(task)!;
        return { benchmark: name, type, group, task, kind, version, harness, shots, metric: metrics[0] };
      }),
  );
  return {
    name: "table2",
    frame: dataFrame(
      rows.map(({ benchmark, type, task, shots, metric, version }) => ({
        Benchmark: benchmark,
        Type: type,
        Task: task,
        Version: version,
        Shots: shots,
        Metric: metric,
      })),
    ),
    rows,
    caption:
      "Benchmark tasks. Type: MC multiple choice, G_S short generation, G_L long generation. Shots: default number " +
      "of few-shot examples; the prompt of TruthfulQA contains six fixed examples in addition. Requests and metrics " +
      "follow lm-evaluation-harness 0.4.13, and for long generation the frameworks of the judges.",
  };
}
