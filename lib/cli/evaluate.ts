import "../model/environment";
import { validated, wholeNumber } from "../data/validate";
import { chatLine } from "../evaluate/chat-form";
import type { ChatOptions } from "../evaluate/evaluate-options";
import type { EvaluateRunsOptions, TaskSummary } from "../evaluate/evaluate-runs";
import type { SharedOptions } from "../evaluate/evaluation-job";
import { FORMATS } from "../evaluate/task";
import { tasksSchema } from "../evaluate/task-list";
import type { TaskRequest } from "../evaluate/task-request";
import { evaluationLine } from "../notebook/progress-text";
import { RunStore, type Run } from "../runs/store";
import { wantedRuns, type Study } from "../sweep/study";
import { loadStudy } from "../sweep/study-file";
import { scoreRuns, studyEvaluation } from "../sweep/study-scores";
import { resolveJobs } from "../sweep/sweep";
import { expectedDevice } from "../model/gpu";
import { threadsFor } from "../workers/plan";
import { say } from "./terminal";
import { UsageError, countOf, nameOf, numberOf, pathOf, type Answer, type Values } from "./values";

export async function run(values: Values, signal: AbortSignal): Promise<Answer> {
  if (values.model !== undefined && values.run !== undefined) {
    throw new UsageError("--model and --run: give one of the two.");
  }
  const needsStudy = values.tasks === undefined || values.study !== undefined;
  const study =
    needsStudy || (values.model ?? values.run) === undefined ? loadStudy(pathOf(values, "study")) : undefined;
  const tasks = values.tasks === undefined ? study!.tasks : taskList(values.tasks);
  if (tasks.length === 0) {
    throw new UsageError(
      `Study ${study!.name} names no tasks: add the key "tasks" to its file, or name some with --tasks.`,
    );
  }
  const options: SharedOptions = {
    ...(study && studyEvaluation(study)),
    ...(values.data !== undefined && { dataDir: pathOf(values, "data") }),
    ...(values.limit !== undefined && { limit: countOf(values, "limit") }),
    ...(values["few-shot"] !== undefined && { fewShot: numberOf(values, "few-shot", wholeNumber(0)) }),
    ...(values["max-new-tokens"] !== undefined && { maxNewTokens: countOf(values, "max-new-tokens") }),
    ...chatOptionsOf(values),
    ...(values.format !== undefined && { format: nameOf(values, "format", FORMATS) }),
  };
  if (values.model !== undefined) return ofModel(pathOf(values, "model")!, tasks, options, signal);
  const runs = values.run === undefined ? studyRuns(study!, values) : [runById(values.run, pathOf(values, "store"))];
  return ofRuns(runs, tasks, { ...options, workers: countOf(values, "workers") }, signal);
}

function chatOptionsOf(values: Values): ChatOptions {
  const yes = (option: string) => nameOf(values, option, ["yes", "no"]) === "yes";
  return {
    ...(values["chat-template"] !== undefined && { chatTemplate: yes("chat-template") }),
    ...(values["few-shot-as-turns"] !== undefined && { fewShotAsTurns: yes("few-shot-as-turns") }),
    ...(values["system-prompt"] !== undefined && { systemPrompt: values["system-prompt"] }),
  };
}

async function ofModel(
  dir: string,
  tasks: TaskRequest[],
  options: SharedOptions,
  signal: AbortSignal,
): Promise<Answer> {
  // before TensorFlow loads
  process.env.TF_NUM_INTRAOP_THREADS ??= String(threadsFor(0, expectedDevice()));
  const [{ evaluate }, { loadModel }] = await Promise.all([
    import("../evaluate/evaluate"),
    import("../model/causal-lm"),
  ]);
  const model = loadModel(dir);
  const results = await evaluate(model, tasks, { ...options, signal });
  const summaries = results.map(({ samples, ...result }) => ({ ...result, items: samples.length }));
  return {
    text: [...summaries.map(line), ...chatLine(summaries)].join("\n"),
    result: { model: dir, results: summaries },
  };
}

async function ofRuns(
  runs: Run[],
  tasks: TaskRequest[],
  options: EvaluateRunsOptions,
  signal: AbortSignal,
): Promise<Answer> {
  const { scores, missing, failures, summary } = await scoreRuns(runs, tasks, {
    ...options,
    signal,
    onProgress: evaluationLine(),
  });
  const lines = scores.map(({ run, results }) =>
    [run.name, ...results.map((result) => `  ${line(result)}`)].join("\n"),
  );
  return {
    text: [...lines, ...chatLine(scores.flatMap(({ results }) => results)), ...(summary === "" ? [] : [summary])].join(
      "\n",
    ),
    failed: missing.length + failures.length > 0,
    result: {
      runs: scores.map(({ run: { id, name, dir }, results }) => ({ id, name, dir, results })),
      missing,
      failures,
    },
  };
}

/** Names of tasks and groups, separated by commas. */
function taskList(names: string): TaskRequest[] {
  const given = names.split(",").map((name) => name.trim());
  return validated(tasksSchema, given, "--tasks", UsageError);
}

/** The study's runs that are complete. */
function studyRuns(study: Study, values: Values): Run[] {
  const store = new RunStore(pathOf(values, "store"));
  const { jobs } = resolveJobs(wantedRuns(study), store);
  const runs = jobs
    .flatMap(({ id, recipe }) => store.get(id)?.named(recipe) ?? [])
    .filter(({ status }) => status === "complete");
  if (runs.length === 0)
    throw new UsageError(
      `No run of study ${study.name} is complete in ${store.root}. Train them with sweep, or name a run with --run, ` +
        "or a model's directory with --model.",
    );
  if (runs.length < jobs.length)
    say(`${runs.length} of ${jobs.length} runs of study ${study.name} are complete; the others are left out.`);
  return runs;
}

function runById(id: string, folder: string | undefined): Run {
  const store = new RunStore(folder);
  const run = store.get(id);
  if (!run) throw new UsageError(`--run: ${store.root} has no run ${JSON.stringify(id)}.`);
  return run;
}

function line({ task, metrics, standardErrors, items, leftOut }: TaskSummary): string {
  const numbers = Object.entries(metrics).map(([name, value]) => {
    const error = standardErrors[name];
    return `${name} ${value.toFixed(4)}${typeof error === "number" ? ` ± ${error.toFixed(4)}` : ""}`;
  });
  return `${task}, ${items} items${leftOut.length > 0 ? ` (${leftOut.length} left out)` : ""}: ${numbers.join(", ")}`;
}
