import { dirname, join } from "node:path";
import { sha256 } from "../data/digest";
import { checkTemplate } from "../data/template";
import { makeFolder, readJsonIfAny, writeFileAtomic } from "../runs/files";
import { fromRoot } from "../runs/paths";
import { generateAnswers, preparePrompts, type GeneratedText } from "./generation";
import { Journal } from "./journal";
import type { Memo } from "./memo";
import { prepareChoices, scoreChoices } from "./multiple-choice";
import type { TaskOptions } from "./evaluate-options";
import { ownRows } from "./own-rows";
import { prepareTask, type PreparedTask } from "./prepare";
import { DATA_DIR } from "./registry";
import type { TaskResult, TaskSettings } from "./results";
import type { Subject } from "./subject";
import type { ChoiceQuestion, GenerationQuestion, PromptStyle, Task } from "./task";
import type { Work } from "./work";
import type { LogLikelihood } from "../model/log-likelihoods";

/** Part of what names a stored result: raised when the rules of evaluation change. */
const RESULT_FORMAT = 2;

export type Report = (done: number, total: number, etaSeconds: number | null) => void;

/** A task as it is asked for: its settings, its items, and where its result is kept, if it is. */
interface Wanted<Q extends ChoiceQuestion | GenerationQuestion> {
  settings: TaskSettings;
  prepared: PreparedTask<Q>;
  file?: string;
  identity: string;
}

/** The stored result, if there is one. @throws {PromptlossError} where the task's data cannot be read */
export async function storedResult(
  subject: Subject,
  task: Task,
  options: TaskOptions,
  memo: Memo,
): Promise<TaskResult | undefined> {
  return readStored(await want(subject, task, options, memo));
}

/** The stored result where there is one, else the one computed now, stored. `memo` keeps what does not depend on the model's weights. */
export async function evaluateTask(
  subject: Subject,
  task: Task,
  options: TaskOptions & { signal?: AbortSignal },
  memo: Memo,
  report: Report,
): Promise<TaskResult> {
  const wanted = await want(subject, task, options, memo);
  const stored = readStored(wanted);
  if (stored) return stored;
  const { settings, prepared } = wanted;
  const { signal } = options;
  const key = JSON.stringify(["tokens", task.name, settings, subject.tokens, subject.model().config]);
  if (task.kind === "multiple choice") {
    const items = (prepared as PreparedTask<ChoiceQuestion>).items();
    const choices = await memo.once(key, () => prepareChoices(subject.model(), items, signal));
    return compute<LogLikelihood[]>(wanted, signal, report, (work) =>
      scoreChoices(subject.model(), task, choices, work),
    );
  }
  const items = (prepared as PreparedTask<GenerationQuestion>).items();
  const prompts = await memo.once(key, () =>
    preparePrompts(subject.model(), task, items, settings.maxNewTokens!, signal),
  );
  return compute<GeneratedText>(wanted, signal, report, (work) =>
    generateAnswers(subject.model(), task, prompts, work),
  );
}

async function want(
  subject: Subject,
  task: Task,
  options: TaskOptions,
  memo: Memo,
): Promise<Wanted<ChoiceQuestion | GenerationQuestion>> {
  const { fewShot: shots = task.shots, limit = null, format = "harness" } = options;
  const style: PromptStyle = { format, template: checkTemplate(options.template ?? subject.template) };
  const dataDir = fromRoot(options.dataDir ?? DATA_DIR);
  const judge = task.kind === "generation" ? task.judge?.() : undefined;
  const templated = format === "instruction" || judge !== undefined || typeof task.data.items === "string";
  const { items } = task.data;
  const splits = typeof items === "string" ? await ownRows(task.name, items, subject, options.heldout, memo) : items;
  const prepared = await memo.once(JSON.stringify(["rows", task.name, style, shots, limit, dataDir, splits]), () =>
    prepareTask<ChoiceQuestion | GenerationQuestion>(task, (row) => task.question(row, style), {
      splits,
      dataDir,
      shots,
      limit,
    }),
  );
  const settings: TaskSettings = {
    task: task.name,
    version: task.version,
    harness: task.harness,
    shots,
    limit,
    format,
    template: templated ? style.template.name : null,
    judge: judge?.name ?? null,
    maxNewTokens: task.kind === "generation" ? (options.maxNewTokens ?? task.maxNewTokens) : null,
    data: sha256(prepared.digest, templated ? JSON.stringify(style.template) : "", judge?.digest ?? ""),
  };
  const { scores } = subject;
  const identity = JSON.stringify({ format: RESULT_FORMAT, weights: scores?.weights, settings });
  const isDefault =
    shots === task.shots &&
    limit === null &&
    format === "harness" &&
    (task.kind === "multiple choice" || settings.maxNewTokens === task.maxNewTokens);
  const file =
    scores &&
    join(scores.folder, isDefault ? `${task.name}.json` : `${task.name}.${sha256(identity).slice(0, 8)}.json`);
  return { settings, prepared, file, identity };
}

function readStored({ file, identity }: Wanted<ChoiceQuestion | GenerationQuestion>): TaskResult | undefined {
  const stored =
    file === undefined ? undefined : (readJsonIfAny(file) as { identity?: string; result?: TaskResult } | undefined);
  return stored?.identity === identity ? stored.result : undefined;
}

async function compute<T>(
  { settings, file, identity }: Wanted<ChoiceQuestion | GenerationQuestion>,
  signal: AbortSignal | undefined,
  report: Report,
  run: (work: Work<T>) => Promise<Omit<TaskResult, keyof TaskSettings>>,
): Promise<TaskResult> {
  const journal = new Journal<T>(file && `${file}.partial`, identity);
  const started = Date.now();
  const before = journal.size;
  const onProgress = (done: number, total: number) => {
    report(done, total, done > before ? ((Date.now() - started) / 1000 / (done - before)) * (total - done) : null);
  };
  const result = { ...settings, ...(await run({ journal, signal, onProgress })) };
  if (file !== undefined) {
    makeFolder(dirname(file));
    writeFileAtomic(file, JSON.stringify({ identity, result }));
    journal.remove();
  }
  return result;
}
