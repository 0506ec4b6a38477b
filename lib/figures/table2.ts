import "../model/environment"; // danfojs loads TensorFlow, which reads its settings once
import { DataFrame } from "danfojs-node";
import { BENCHMARKS } from "../analysis/benchmarks";
import { allTasks } from "../evaluate/registry";
import type { Row } from "./figure";
import type { Table } from "./table";

/**
 * Table 2, the benchmark tasks: type, the task that scores it here, its version, shots and metric. Read from the task
 * registry, so that it says what is run.
 *
 * @param tasks names of tasks; default: the real ones of all thirteen benchmarks
 */
export function table2(tasks: readonly string[] = BENCHMARKS.map((benchmark) => benchmark.tasks[0])): Table {
  const known = new Map(allTasks().map((task) => [task.name, task]));
  const rows = BENCHMARKS.flatMap(({ name, type, group, metrics, tasks: own }) =>
    own
      .filter((task) => tasks.includes(task))
      .map((task): Row => {
        const { version, shots, harness, kind } = known.get(task)!;
        return { benchmark: name, type, group, task, kind, version, harness, shots, metric: metrics[0] };
      }),
  );
  return {
    name: "table2",
    frame: new DataFrame(
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
      "Benchmark tasks. Type: MC multiple choice, G_S short generation, G_L long generation. Shots: the default " +
      "number of few-shot examples; TruthfulQA has six fixed examples in its prompt. " +
      "Requests and metrics follow lm-evaluation-harness 0.4.13, and the judges' own frameworks for long generation.",
  };
}
