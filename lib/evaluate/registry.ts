import { checkOptions } from "../data/arguments";
import { join } from "node:path";
import { editDistance } from "../data/edit-distance";
import { defaultDataDir } from "../data/repository";
import { fromRoot } from "../runs/paths";
import { alpacaEval } from "./judge/alpaca-eval";
import type { Judge } from "./judge/judge";
import { judgeFrom, type JudgeSettings } from "./judge/judge-settings";
import { ALPACA_EVAL_PROMPT, PANDALM_PROMPT, type JudgePrompt } from "./judge/judge-prompts";
import { pandaLm } from "./judge/pandalm";
import { asInPaper, type Task } from "./task";
import { taskOptions, type ChatOptions, type TaskOptions } from "./evaluate-options";
import { checkRequest, type TaskRequest } from "./task-request";
import { arcChallenge } from "./tasks/arc";
import { heldoutLoss } from "./tasks/heldout-loss";
import { memorization, memorizationHeldout } from "./tasks/memorization";
import { ownTask } from "./tasks/own-task";
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
import { duplicatesOf } from "../data/group";
import { isObject, shown } from "../data/validate";

/**
 * Lists the tasks that can be given by name. Tasks of one's own are passed to `evaluate` as requests or objects.
 * @param options `judge`: judge of Alpaca Eval and PandaLM; default: the one that the environment variables name.
 *   `dataDir`: as in `evaluate`; the answers of PandaLM's opponent are in `pandalm/opponents.json` there
 */
export function allTasks(options: Pick<TaskOptions, "judge" | "dataDir"> = {}): Task[] {
  const { judge, dataDir = defaultDataDir() } = checkOptions(
    "allTasks",
    options,
    { judge: taskOptions.judge, dataDir: taskOptions.dataDir },
    { ErrorClass: EvaluationError },
  );
  const judged = (prompt: JudgePrompt) => judge && { judge: () => judgeOf(judge, prompt) };
  return [
    arcChallenge,
    piqa,
    truthfulQaMc1,
    truthfulQaMc2,
    winogrande,
    truthfulQaGen,
    ...wmtTasks,
    alpacaEval(judged(ALPACA_EVAL_PROMPT)),
    pandaLm(join(fromRoot(dataDir), "pandalm", "opponents.json"), judged(PANDALM_PROMPT)),
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

/** The judge itself, or the one that settings describe, with a task's prompt. */
function judgeOf(judge: Judge | JudgeSettings, prompt: JudgePrompt): Judge {
  return "compare" in judge ? judge : judgeFrom(judge, prompt);
}

/** Names of the tasks that can be given by name. */
export const taskNames = (): string[] => allTasks().map(({ name }) => name);

/** The three names of tasks that are most similar to `name`. */
export const nearestTaskNames = (name: string): string[] => nearest(name, taskNames());

/** A task to evaluate, with the settings that were asked for. */
export interface RequestedTask {
  task: Task;
  /** override the options of the call, which override the task's own */
  settings: Pick<TaskOptions, "fewShot" | "limit" | "format" | "maxNewTokens" | keyof ChatOptions>;
}

/**
 * Resolves requests to tasks: looks up names and creates tasks of one's own; task objects are returned unchanged.
 * @returns the tasks in the given order
 * @throws {EvaluationError} naming every unknown task and the most similar known names
 */
export function resolveTasks(
  requested: readonly (string | TaskRequest | Task)[],
  options: Pick<TaskOptions, "judge" | "dataDir"> = {},
): RequestedTask[] {
  if (!Array.isArray(requested)) throw new EvaluationError(`The tasks are ${shown(requested)}, not a list.`);
  const requests = requested.map((request: string | TaskRequest | Task): TaskRequest | { task: Task } => {
    if (typeof request === "string") return { name: request };
    if (isObject(request) && "kind" in request) return { task: request as Task };
    return checkRequest(request as TaskRequest);
  });
  const twice = duplicatesOf(requests.map((request) => ("task" in request ? request.task : JSON.stringify(request))));
  if (twice.length > 0)
    throw new EvaluationError(
      `Asked twice for ${twice.map((task) => shown(task)).join(", ")}; ask for each task once.`,
    );
  const names = requests.flatMap((request) => ("task" in request || request.own ? [] : [request.name]));
  const byName = new Map(findTasks(names, options).map((task) => [task.name, task]));
  const { judge } = options;
  return requests.map((request): RequestedTask => {
    if ("task" in request) return { task: request.task, settings: {} };
    const { name, own, shots, limit, format, maxNewTokens, chatTemplate, fewShotAsTurns, systemPrompt } = request;
    const chat = { chatTemplate, fewShotAsTurns, systemPrompt };
    const settings = { fewShot: shots, limit, format, maxNewTokens, ...chat };
    return {
      task: own ? ownTask(own, judge && (() => judgeOf(judge, ALPACA_EVAL_PROMPT))) : byName.get(name)!,
      settings: Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined)),
    };
  });
}

/**
 * Looks up tasks by name.
 * @returns the tasks in the given order
 * @throws {EvaluationError} naming every unknown task and the most similar known names
 */
export function findTasks(requested: readonly string[], options: Pick<TaskOptions, "judge" | "dataDir"> = {}): Task[] {
  const known = new Map(allTasks({ judge: options.judge, dataDir: options.dataDir }).map((task) => [task.name, task]));
  const unknown = requested.filter((name) => !known.has(name));
  if (unknown.length > 0) {
    const lines = unknown.map((name) => `"${name}": did you mean ${nearest(name, [...known.keys()]).join(" or ")}?`);
    throw new EvaluationError(
      `Unknown ${unknown.length === 1 ? "task" : "tasks"}:\n${lines.join("\n")}\n` +
        `All tasks: ${[...known.keys()].join(", ")}.`,
    );
  }
  return requested.map((name) => known.get(name)!);
}

/** The three names with the smallest edit distance to `name`, ignoring case. */
function nearest(name: string, names: string[]): string[] {
  return names
    .map((other) => ({ other, distance: editDistance(name.toLowerCase(), other.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance)
    .slice(0, 3)
    .map(({ other }) => other);
}
