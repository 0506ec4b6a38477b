import { wholeNumber } from "../data/validate";
import { FORMATS } from "../evaluate/task";
import { fromRoot } from "../runs/paths";
import type { TaskOptions } from "../evaluate/evaluate-options";
import type { TaskSummary } from "../evaluate/evaluate-runs";
import { evaluationLine } from "../notebook/progress";
import { RunStore, type Run } from "../runs/store";
import { expectedDevice, threadsFor } from "../workers/plan";
import { loadStudy, wantedRuns } from "../sweep/study";
import { resolveJobs } from "../sweep/sweep";
import { UsageError, countOf, nameOf, numberOf, type Answer, type Values } from "./values";

export async function run(values: Values, signal: AbortSignal): Promise<Answer> {
  const options: TaskOptions = {
    ...(values.data !== undefined && { dataDir: values.data }),
    ...(values.limit !== undefined && { limit: countOf(values, "limit") }),
    ...(values["few-shot"] !== undefined && { fewShot: numberOf(values, "few-shot", wholeNumber(0)) }),
    ...(values["max-new-tokens"] !== undefined && { maxNewTokens: countOf(values, "max-new-tokens") }),
    ...(values.format !== undefined && { format: nameOf(values, "format", FORMATS) }),
  };
  return values.model === undefined
    ? ofRuns(values, options, signal)
    : ofModel(fromRoot(values.model), values, options, signal);
}

async function ofModel(dir: string, values: Values, options: TaskOptions, signal: AbortSignal): Promise<Answer> {
  if (values.run !== undefined) throw new UsageError("--model and --run: give one of the two.");
  // before TensorFlow loads
  process.env.TF_NUM_INTRAOP_THREADS ??= String(threadsFor(0, expectedDevice()));
  const [{ evaluate }, { loadModel }] = await Promise.all([
    import("../evaluate/evaluate"),
    import("../model/causal-lm"),
  ]);
  const model = loadModel(dir);
  const results = await evaluate(model, await tasksOf(values), { ...options, signal });
  const summaries = results.map(({ samples, ...result }) => ({ ...result, items: samples.length }));
  return { text: summaries.map(line).join("\n"), result: { model: dir, results: summaries } };
}

async function ofRuns(values: Values, options: TaskOptions, signal: AbortSignal): Promise<Answer> {
  const runs = values.run === undefined ? studyRuns(values) : [runById(values.run, values.store)];
  const { evaluateRuns } = await import("../evaluate/evaluate-runs");
  const scores = await evaluateRuns(runs, await tasksOf(values), {
    ...options,
    workers: countOf(values, "workers"),
    signal,
    onProgress: evaluationLine(),
  });
  return {
    text: scores
      .map(({ run, results }) => `${run.name}\n${results.map((result) => `  ${line(result)}`).join("\n")}`)
      .join("\n"),
    result: { runs: scores.map(({ run: { id, name, dir }, results }) => ({ id, name, dir, results })) },
  };
}

/** The study's runs that are complete. */
function studyRuns({ study: path, store: folder }: Values): Run[] {
  const study = loadStudy(path);
  const store = new RunStore(folder);
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
    process.stderr.write(
      `${runs.length} of ${jobs.length} runs of study ${study.name} are complete; the others are left out.\n`,
    );
  return runs;
}

function runById(id: string, folder: string | undefined): Run {
  const store = new RunStore(folder);
  const run = store.get(id);
  if (!run) throw new UsageError(`--run: ${store.root} has no run ${JSON.stringify(id)}.`);
  return run;
}

/** Those named, separated by commas; without any, the thirteen pocket benchmarks. */
async function tasksOf({ tasks }: Values): Promise<string[]> {
  const { pocketTaskNames } = await import("../evaluate/tasks/pocket");
  return tasks === undefined ? pocketTaskNames() : tasks.split(",").map((name) => name.trim());
}

function line({ task, metrics, standardErrors, items, leftOut }: TaskSummary): string {
  const numbers = Object.entries(metrics).map(([name, value]) => {
    const error = standardErrors[name];
    return `${name} ${value.toFixed(4)}${typeof error === "number" ? ` ± ${error.toFixed(4)}` : ""}`;
  });
  return `${task}, ${items} items${leftOut.length > 0 ? ` (${leftOut.length} left out)` : ""}: ${numbers.join(", ")}`;
}
