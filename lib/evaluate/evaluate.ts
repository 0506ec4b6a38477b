import { dirname, join } from "node:path";
import { sha256 } from "../data/digest";
import { PromptlossError } from "../data/errors";
import { ALPACA_TEMPLATE, checkTemplate, type PromptTemplate } from "../data/template";
import type { LogLikelihood } from "../model/likelihood";
import { CausalLM, loadModel } from "../model/llama";
import { Interrupted } from "../runs/errors";
import { makeFolder, readJsonIfAny, writeFileAtomic } from "../runs/files";
import { fromRoot } from "../runs/paths";
import { usableRun, type Run } from "../runs/store";
import { EvaluationError } from "./errors";
import { runGeneration, type GeneratedText } from "./generation";
import { Journal } from "./journal";
import { runMultipleChoice } from "./multiple-choice";
import { prepareTask } from "./prepare";
import { findTasks } from "./registry";
import type { TaskResult, TaskSettings } from "./results";
import { FORMATS, type PromptFormat, type PromptStyle, type Task } from "./task";
import { interrupted, type Work } from "./work";

export interface EvaluateOptions {
  /** folder with `<task>/<split>.jsonl` (or .json, .parquet), relative to the repository root; default `datasets/benchmarks` */
  dataDir?: string;
  /** only the first so many items of each task */
  limit?: number;
  /** examples before each question; default: each task's own number */
  fewShot?: number;
  /** of generations; default: each task's own */
  maxNewTokens?: number;
  /** of translation prompts; default "harness" */
  format?: PromptFormat;
  /** of format "instruction"; default: the run's own, or Alpaca's */
  template?: PromptTemplate;
  /** stops within a batch; for a run, the same call continues */
  signal?: AbortSignal;
  onProgress?: (progress: EvaluationProgress) => void;
  /** once all tasks are done: "throw" (default) a {@link TasksFailedError} that names the failed ones, or "return" the others */
  onFailure?: "throw" | "return";
}

export interface EvaluationProgress {
  task: string;
  tasksDone: number;
  tasks: number;
  /** items of this task */
  done: number;
  total: number;
  /** of this task; null before anything is done */
  etaSeconds: number | null;
}

/** Some tasks failed; the others are done, in `results`. */
export class TasksFailedError extends EvaluationError {
  override name = "TasksFailedError";
  constructor(readonly failures: { task: string; message: string }[], readonly results: TaskResult[]) {
    super(`${failures.length} of ${failures.length + results.length} tasks failed; the others are done.\n${failures.map(({ task, message }) => `${task}: ${message}`).join("\n")}`);
  }
}

/** Part of what names a stored result: raised when the rules of evaluation change. */
const RESULT_FORMAT = 1;

/**
 * Evaluates a model on benchmark tasks, by name or given as they are, with lm-evaluation-harness' rules: release 0.4.13's,
 * or those of the paper's commit for tasks named `…@b281b09`. Results come in the order of the tasks.
 *
 * A run's results and samples are kept in its folder, `scores/<task>.json` (with a suffix where options differ from the
 * task's own), and not computed again; an interrupted task continues.
 *
 * @throws {EvaluationError} at once for unknown tasks and impossible options
 * @throws {TasksFailedError} at the end, naming the tasks that failed and why
 * @throws {Interrupted} after `signal`
 */
export async function evaluate(modelOrRun: CausalLM | Run, tasks: (string | Task)[] | string, options: EvaluateOptions = {}): Promise<TaskResult[]> {
  checkOptions(options);
  const found = findTasks([tasks].flat());
  const subject = subjectOf(modelOrRun);
  const results: TaskResult[] = [];
  const failures: { task: string; message: string }[] = [];
  try {
    for (const task of found) {
      try {
        results.push(await evaluateTask(subject, task, options, (done, total, etaSeconds) => {
          options.onProgress?.({ task: task.name, tasksDone: results.length + failures.length, tasks: found.length, done, total, etaSeconds });
        }));
      } catch (error) {
        if (options.signal?.aborted && !(error instanceof Interrupted)) throw interrupted();
        if (!(error instanceof PromptlossError) || error instanceof Interrupted) throw error;
        failures.push({ task: task.name, message: error.message });
      }
    }
  } finally {
    subject.release();
  }
  if (failures.length > 0 && options.onFailure !== "return") throw new TasksFailedError(failures, results);
  return results;
}

/** What is evaluated: a model at hand, or a run's, loaded when first needed. */
interface Subject {
  model(): CausalLM;
  release(): void;
  template: PromptTemplate;
  /** where results are kept */
  scores?: { folder: string; weights: string };
}

function subjectOf(modelOrRun: CausalLM | Run): Subject {
  if (modelOrRun instanceof CausalLM) return { model: () => modelOrRun, release: () => {}, template: ALPACA_TEMPLATE };
  const run = usableRun(modelOrRun);
  if (run.status !== "complete") throw new EvaluationError(`Run ${run.name} is ${run.status}: it has no final weights to evaluate. Train it to the end first.`);
  let model: CausalLM | undefined;
  return {
    model: () => model ??= loadModel(run.weightsDir),
    release: () => model?.dispose(),
    template: run.recipe.template,
    scores: { folder: join(run.dir, "scores"), weights: run.record.weights!.sha256 },
  };
}

type Report = (done: number, total: number, etaSeconds: number | null) => void;

async function evaluateTask(subject: Subject, task: Task, options: EvaluateOptions, report: Report): Promise<TaskResult> {
  const { fewShot: shots = task.shots, limit = null, format = "harness" } = options;
  const style: PromptStyle = { format, template: checkTemplate(options.template ?? subject.template) };
  const selection = { dataDir: fromRoot(options.dataDir ?? "datasets/benchmarks"), shots, limit };
  const settings = (data: string): TaskSettings => ({
    task: task.name, version: task.version, harness: task.harness, shots, limit, format,
    template: format === "instruction" ? style.template.name : null,
    maxNewTokens: task.kind === "generation" ? options.maxNewTokens ?? task.maxNewTokens : null,
    data: sha256(data, format === "instruction" ? JSON.stringify(style.template) : ""),
  });
  if (task.kind === "multiple choice") {
    const prepared = await prepareTask(task, (row) => task.question(row, style), selection);
    return once<LogLikelihood[]>(subject, task, settings(prepared.digest), options.signal, report, (model, work) => runMultipleChoice(model, task, prepared.items(), work));
  }
  const prepared = await prepareTask(task, (row) => task.question(row, style), selection);
  return once<GeneratedText>(subject, task, settings(prepared.digest), options.signal, report, (model, work) => {
    return runGeneration(model, task, prepared.items(), options.maxNewTokens ?? task.maxNewTokens, work);
  });
}

/** The stored result where there is one, else the one computed now, stored. */
async function once<T>(subject: Subject, task: Task, settings: TaskSettings, signal: AbortSignal | undefined, report: Report, compute: (model: CausalLM, work: Work<T>) => Promise<Omit<TaskResult, keyof TaskSettings>>): Promise<TaskResult> {
  const { scores } = subject;
  const identity = JSON.stringify({ format: RESULT_FORMAT, weights: scores?.weights, settings });
  const isDefault = settings.shots === task.shots && settings.limit === null && settings.format === "harness"
    && (task.kind === "multiple choice" || settings.maxNewTokens === task.maxNewTokens);
  const file = scores && join(scores.folder, isDefault ? `${task.name}.json` : `${task.name}.${sha256(identity).slice(0, 8)}.json`);
  if (file !== undefined) {
    const stored = readJsonIfAny(file) as { identity?: string; result?: TaskResult } | undefined;
    if (stored?.identity === identity && stored.result) return stored.result;
  }
  const journal = new Journal<T>(file && `${file}.partial`, identity);
  const started = Date.now();
  const before = journal.size;
  const onProgress = (done: number, total: number) => {
    report(done, total, done > before ? ((Date.now() - started) / 1000 / (done - before)) * (total - done) : null);
  };
  const result = { ...settings, ...await compute(subject.model(), { journal, signal, onProgress }) };
  if (file !== undefined) {
    makeFolder(dirname(file));
    writeFileAtomic(file, JSON.stringify({ identity, result }));
    journal.remove();
  }
  return result;
}

function checkOptions({ limit, fewShot, maxNewTokens, format }: EvaluateOptions): void {
  const whole = (name: string, value: number | undefined, least: number) => {
    if (value !== undefined && !(Number.isSafeInteger(value) && value >= least)) throw new EvaluationError(`${name} must be a whole number of at least ${least}, not ${value}.`);
  };
  whole("limit", limit, 1);
  whole("fewShot", fewShot, 0);
  whole("maxNewTokens", maxNewTokens, 1);
  if (format !== undefined && !FORMATS.includes(format)) throw new EvaluationError(`format must be one of ${FORMATS.join(", ")}, not ${JSON.stringify(format)}.`);
}
