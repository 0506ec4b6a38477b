import * as v from "valibot";
import { duplicatesOf } from "../data/group";
import { isObject, objectOf, oneOf, pathItem, shown, text, wholeNumber } from "../data/validate";
import { optionalChatOptions } from "./evaluate-options";
import { allTasks, nearestTaskNames, taskNames } from "./registry";
import { FORMATS, type Harness, type PromptFormat } from "./task";
import type { TaskRequest } from "./task-request";
import { ownTaskSchema } from "./tasks/own-task";
import { pocketTaskNames } from "./tasks/pocket";

/** Names of the groups of tasks that a study may name instead of single tasks. */
export const TASK_GROUPS = ["paper", "pocket"] as const;

/**
 * The tasks of a group.
 * - `paper`: the thirteen benchmarks of Table 2, multiple choice by the rules of harness commit b281b09, translation
 *   with the paper's instruction before the harness's prompt (C.2)
 * - `pocket`: their thirteen counterparts about the pocket world
 */
export function taskGroup(group: (typeof TASK_GROUPS)[number]): TaskRequest[] {
  if (group === "pocket") return pocketTaskNames().map((name) => ({ name }));
  const translations = ["wmt14-en-fr", "wmt14-fr-en", "wmt16-en-de", "wmt16-de-en", "wmt16-en-ro", "wmt16-ro-en"];
  return [
    { name: "arc_challenge@b281b09" },
    { name: "piqa@b281b09" },
    { name: "truthfulqa_mc2@b281b09" },
    { name: "winogrande@b281b09" },
    { name: "truthfulqa_gen" },
    ...translations.map((name): TaskRequest => ({ name, format: "harness+instruction" })),
    { name: "alpaca_eval" },
    { name: "pandalm" },
  ];
}

// ---------------------------------------------------------------- the schema of a list of tasks

/** Versions of lm-evaluation-harness that a task may be asked for in. */
const HARNESSES: readonly Harness[] = ["0.4.13", "b281b09"];

const settings = {
  shots: v.optional(wholeNumber(0)),
  limit: v.optional(wholeNumber(1)),
  format: v.optional(oneOf<PromptFormat>(FORMATS)),
  maxNewTokens: v.optional(wholeNumber(1)),
  ...optionalChatOptions,
  metric: v.optional(text),
  version: v.optional(oneOf<Harness>(HARNESSES)),
};

/** The tasks that one entry asks for, with problems as texts. */
function requestsOf(entry: { name: string; version?: Harness } & Omit<TaskRequest, "own">): TaskRequest[] {
  const { name, version, ...rest } = entry;
  const given = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined));
  const group = TASK_GROUPS.find((known) => known === name);
  const requests = group ? taskGroup(group) : [{ name }];
  return requests.map((request) => ({ ...request, name: versioned(request.name, version), ...given }));
}

/** The name of a task in a version of the harness; a task that does not depend on the version keeps its name. */
function versioned(name: string, version: Harness | undefined): string {
  if (version === undefined) return name;
  const [plain] = name.split("@");
  const inPaper = `${plain}@b281b09`;
  return version === "b281b09" && taskNames().includes(inPaper) ? inPaper : plain;
}

const registered = v.rawCheck<{ name: string }>(({ dataset, addIssue }) => {
  if (!dataset.typed) return;
  const { name } = dataset.value;
  if (TASK_GROUPS.some((group) => group === name) || taskNames().includes(name)) return;
  const message =
    `there is no task ${JSON.stringify(name)}; did you mean ${nearestTaskNames(name).join(" or ")}? ` +
    `Groups: ${TASK_GROUPS.join(", ")}. A task of your own needs "data" and "prompt"`;
  addIssue({ message, path: [pathItem(dataset.value, "name")] });
});

/** Metrics of multiple choice are known beforehand; those of generated answers follow from the scoring. */
const hasMetric = v.rawCheck<{ name: string; metric?: string }>(({ dataset, addIssue }) => {
  if (!dataset.typed) return;
  const { name, metric } = dataset.value;
  const task = allTasks().find((known) => known.name === name);
  if (metric === undefined || task?.kind !== "multiple choice" || Object.hasOwn(task.metrics, metric)) return;
  const message = `must be one of ${Object.keys(task.metrics).join(", ")}, got ${shown(metric)}`;
  addIssue({ message, path: [pathItem(dataset.value, "metric")] });
});

const namedTask = v.pipe(objectOf({ name: text, ...settings }), registered, hasMetric, v.transform(requestsOf));

const ownEntry = v.pipe(
  ownTaskSchema,
  v.check(
    ({ name }) => !taskNames().includes(name) && !TASK_GROUPS.some((group) => group === name),
    "has the name of a built-in task; choose another",
  ),
  v.transform(({ limit, chatTemplate, fewShotAsTurns, systemPrompt, ...own }): TaskRequest[] => {
    const request = { limit, chatTemplate, fewShotAsTurns, systemPrompt };
    const given = Object.fromEntries(Object.entries(request).filter(([, value]) => value !== undefined));
    return [{ name: own.name, ...given, own }];
  }),
);

const taskEntry: v.GenericSchema<unknown, TaskRequest[]> = v.lazy((entry) => {
  if (typeof entry === "string") {
    return v.pipe(
      text,
      v.transform((name) => ({ name })),
      registered,
      v.transform(requestsOf),
    );
  }
  return isObject(entry) && "data" in entry ? ownEntry : namedTask;
});

/**
 * Schema of a study's tasks: one or several of a task's name, the name of a group (`"paper"`, `"pocket"`), an object of
 * a name and settings, or a task of one's own (see {@link OwnTask}). No task may occur twice.
 */
export const tasksSchema: v.GenericSchema<unknown, TaskRequest[]> = v.pipe(
  v.unknown(),
  v.transform((given) => (Array.isArray(given) ? (given as unknown[]) : [given])),
  v.array(taskEntry),
  v.transform((lists) => lists.flat()),
  v.check(
    (requests) => duplicatesOf(requests.map(({ name }) => name)).length === 0,
    ({ input }) => `asks twice for ${duplicatesOf(input.map(({ name }) => name)).join(", ")}`,
  ),
);
