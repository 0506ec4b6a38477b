import { join } from "node:path";
import { fromRoot } from "../runs/paths";
import { alpacaEval } from "./judge/alpaca-eval";
import type { Judge } from "./judge/judge";
import { pandaLm } from "./judge/pandalm";
import { asInPaper, type Task } from "./task";
import { arcChallenge } from "./tasks/arc";
import { heldoutLoss } from "./tasks/heldout-loss";
import { memorization, memorizationHeldout } from "./tasks/memorization";
import { piqa } from "./tasks/piqa";
import { pocketTasks } from "./tasks/pocket";
import {
  truthfulQaGen,
  truthfulQaMc1,
  truthfulQaMc1InPaper,
  truthfulQaMc2,
  truthfulQaMc2InPaper,
} from "./tasks/truthfulqa";
import { winogrande } from "./tasks/winogrande";
import { wmtTasks } from "./tasks/translation";
import { EvaluationError } from "../data/errors";

/** Default folder of benchmark data, relative to the repository root. */
export const DATA_DIR = "datasets/benchmarks";

/**
 * Lists the tasks that can be given by name. Custom tasks are passed to `evaluate` as objects.
 * @param options `judge`: judge of Alpaca Eval and PandaLM; default: the one that the environment variables name.
 *   `dataDir`: as in `evaluate`; the answers of PandaLM's opponent are in `pandalm/opponents.json` there
 */
export function allTasks({ judge, dataDir = DATA_DIR }: { judge?: Judge; dataDir?: string } = {}): Task[] {
  const judged = judge && { judge: () => judge };
  return [
    arcChallenge,
    piqa,
    truthfulQaMc1,
    truthfulQaMc2,
    winogrande,
    truthfulQaGen,
    ...wmtTasks,
    alpacaEval(judged),
    pandaLm(join(fromRoot(dataDir), "pandalm", "opponents.json"), judged),
    asInPaper(arcChallenge, "0"),
    asInPaper(piqa, "0"),
    truthfulQaMc1InPaper,
    truthfulQaMc2InPaper,
    asInPaper(winogrande, "0"),
    ...pocketTasks(),
    memorization,
    memorizationHeldout,
    heldoutLoss,
  ];
}

/**
 * Looks up tasks by name; task objects are returned unchanged.
 * @returns the tasks in the given order
 * @throws {EvaluationError} naming every unknown task and the most similar known names
 */
export function findTasks(requested: readonly (string | Task)[], options: Parameters<typeof allTasks>[0] = {}): Task[] {
  const known = new Map(allTasks(options).map((task) => [task.name, task]));
  const unknown = requested.filter((task): task is string => typeof task === "string" && !known.has(task));
  if (unknown.length > 0) {
    const lines = unknown.map((name) => `"${name}": did you mean ${nearest(name, [...known.keys()]).join(" or ")}?`);
    throw new EvaluationError(
      `Unknown ${unknown.length === 1 ? "task" : "tasks"}:\n${lines.join("\n")}\n` +
        `All tasks: ${[...known.keys()].join(", ")}.`,
    );
  }
  return requested.map((task) => (typeof task === "string" ? known.get(task)! : task));
}

/** The three names with the smallest edit distance to `name`, ignoring case. */
function nearest(name: string, names: string[]): string[] {
  return names
    .map((other) => ({ other, distance: editDistance(name.toLowerCase(), other.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance)
    .slice(0, 3)
    .map(({ other }) => other);
}

/** Levenshtein distance. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next.push(Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1)));
    row = next;
  }
  return row[b.length];
}
