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

/** Where benchmark data lies unless told otherwise, relative to the repository root. */
export const DATA_DIR = "datasets/benchmarks";

/**
 * Every task that can be named; a task of your own is passed to `evaluate` as it is.
 * @param options.judge of Alpaca Eval and PandaLM; default: the one that the environment names
 * @param options.dataDir as in `evaluate`; PandaLM's opponent is in `pandalm/opponents.json` there
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

/** @throws {EvaluationError} naming every unknown task and the nearest known ones */
export function findTasks(wanted: readonly (string | Task)[], options: Parameters<typeof allTasks>[0] = {}): Task[] {
  const known = new Map(allTasks(options).map((task) => [task.name, task]));
  const unknown = wanted.filter((task): task is string => typeof task === "string" && !known.has(task));
  if (unknown.length > 0) {
    const lines = unknown.map((name) => `"${name}": did you mean ${nearest(name, [...known.keys()]).join(" or ")}?`);
    throw new EvaluationError(
      `There is no task ${lines.join("\nand no task ")}\nAll tasks: ${[...known.keys()].join(", ")}.`,
    );
  }
  return wanted.map((task) => (typeof task === "string" ? known.get(task)! : task));
}

/** The three names with the fewest letters to change. */
function nearest(name: string, names: string[]): string[] {
  return names
    .map((other) => ({ other, distance: editDistance(name.toLowerCase(), other.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance)
    .slice(0, 3)
    .map(({ other }) => other);
}

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
