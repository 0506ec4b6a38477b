import { dirname, join } from "node:path";
import { sha256 } from "../data/digest";
import { checkTemplate } from "../data/template";
import { isObject } from "../data/validate";
import type { Claim } from "../runs/claim";
import { makeFolder, readJsonIfAny, writeFileAtomic } from "../runs/files";
import { chatFormOf, versionOf, type ChatForm } from "./chat-form";
import { generateAnswers, preparePrompts, type GeneratedText } from "./generation";
import { Journal } from "./journal";
import type { Memo } from "./memo";
import { prepareChoices, scoreChoices } from "./multiple-choice";
import type { TaskOptions } from "./evaluate-options";
import { ownRows } from "./own-rows";
import { askingOf, prepareQuestions, type PreparedTask } from "./prepare";
import { checkNumbers, isTaskResult, type TaskResult, type TaskSettings } from "./results";
import type { Subject } from "./subject";
import type { ChoiceQuestion, GenerationQuestion, Task } from "./task";
import type { Work } from "./work";
import type { LogLikelihood } from "../model/log-likelihoods";

/** Part of a stored result's identity; incremented when the rules of evaluation change. */
const RESULT_FORMAT = 2;

/** Receives the number of finished items, the number of items, and the estimated remaining seconds (null: unknown). */
export type Report = (done: number, total: number, etaSeconds: number | null) => void;

/** A task with resolved settings and data. */
interface ResolvedTask<Q extends ChoiceQuestion | GenerationQuestion> {
  settings: TaskSettings;
  prepared: PreparedTask<Q>;
  /** absent: prompts are plain text */
  chat?: ChatForm;
  /** file that the result is stored in; undefined: not stored */
  file?: string;
  /** key; a stored result is reused only if it matches */
  identity: string;
}

/**
 * Reads a stored result.
 * @returns undefined if the subject has no stored result with these options
 * @throws {PromptlossError} if the task's data cannot be read
 */
export async function storedResult(
  subject: Subject,
  task: Task,
  options: TaskOptions,
  memo: Memo,
): Promise<TaskResult | undefined> {
  return readStored(await resolveRequest(subject, task, options, memo));
}

/**
 * Evaluates a subject on one task. A stored result is returned if there is one; otherwise the result is computed, and
 * stored if the subject is a run.
 * @param memo keeps everything that does not depend on the model's parameters
 * @param report called with the progress of the task
 * @throws {PromptlossError} if the task cannot be evaluated
 * @throws {Interrupted} if `options.signal` is aborted
 * @throws {RunHeldError} if `options.claim`, on the run's scores, was lost
 */
export async function evaluateTask(
  subject: Subject,
  task: Task,
  options: TaskOptions & { signal?: AbortSignal; claim?: Claim },
  memo: Memo,
  report: Report,
): Promise<TaskResult> {
  const request = await resolveRequest(subject, task, options, memo);
  const stored = readStored(request);
  if (stored) return stored;
  const { settings, prepared, chat } = request;
  const { signal, claim } = options;
  const key = JSON.stringify(["tokens", task.name, settings, subject.tokens, subject.model().config]);
  if (task.kind === "multiple choice") {
    const items = (prepared as PreparedTask<ChoiceQuestion>).items();
    const choices = await memo.once(key, () => prepareChoices(subject.model(), items, chat, signal));
    const isOutcome = (item: number, value: unknown): value is LogLikelihood[] =>
      Array.isArray(value) && value.length === choices.sequences[item]?.length && value.every(isLogLikelihood);
    return compute(request, isOutcome, { signal, claim }, report, (work) =>
      scoreChoices(subject.model(), task, choices, work),
    );
  }
  const items = (prepared as PreparedTask<GenerationQuestion>).items();
  const prompts = await memo.once(key, () =>
    preparePrompts(subject.model(), task, items, settings.maxNewTokens!, chat, signal),
  );
  const isOutcome = (item: number, value: unknown): value is GeneratedText =>
    prompts.prompts[item] !== undefined && isGeneratedText(value);
  return compute(request, isOutcome, { signal, claim }, report, (work) =>
    generateAnswers(subject.model(), task, prompts, chat, work),
  );
}

function isLogLikelihood(value: unknown): boolean {
  return isObject(value) && Number.isFinite(value.sum) && typeof value.isGreedy === "boolean";
}

function isGeneratedText(value: unknown): boolean {
  return isObject(value) && typeof value.text === "string" && ["stop", "length"].includes(value.finish as string);
}

async function resolveRequest(
  subject: Subject,
  task: Task,
  options: TaskOptions,
  memo: Memo,
): Promise<ResolvedTask<ChoiceQuestion | GenerationQuestion>> {
  const chat = chatFormOf(options, subject);
  const asking = askingOf(task, options, checkTemplate(options.template ?? subject.template), chat);
  const { shots, limit, style } = asking;
  const { format } = style;
  const judge = task.kind === "generation" ? task.judge?.() : undefined;
  const { items } = task.data;
  const usesTemplate =
    format === "instruction" || judge !== undefined || typeof items === "string" || task.usesTemplate === true;
  const splits = typeof items === "string" ? await ownRows(task.name, items, subject, options.heldout, memo) : items;
  const { name, definition } = task;
  const prepared = await memo.once(JSON.stringify(["rows", name, definition, asking, splits]), () =>
    prepareQuestions(task, splits, asking),
  );
  const settings: TaskSettings = {
    task: task.name,
    version: versionOf(task.version, shots, chat),
    harness: task.harness,
    shots,
    limit,
    format,
    template: chat?.template.name ?? (usesTemplate ? style.template.name : null),
    judge: judge?.name ?? null,
    maxNewTokens: task.kind === "generation" ? (options.maxNewTokens ?? task.maxNewTokens) : null,
    data: sha256(
      prepared.digest,
      usesTemplate ? JSON.stringify(style.template) : "",
      judge?.digest ?? "",
      ...(definition === undefined ? [] : [definition]),
      ...(chat ? [JSON.stringify(chat)] : []),
    ),
    ...(chat && { chat: { fewShotAsTurns: chat.fewShotAsTurns, systemPrompt: chat.systemPrompt ?? null } }),
  };
  const { scores } = subject;
  const identity = JSON.stringify({ format: RESULT_FORMAT, weights: scores?.weights, settings });
  const isDefault =
    chat === undefined &&
    shots === task.shots &&
    limit === null &&
    format === "harness" &&
    (task.kind === "multiple choice" || settings.maxNewTokens === task.maxNewTokens);
  const file =
    scores &&
    join(scores.folder, isDefault ? `${task.name}.json` : `${task.name}.${sha256(identity).slice(0, 8)}.json`);
  return { settings, prepared, chat, file, identity };
}

/** A stored result; a damaged one counts as none, and is computed again. */
function readStored({
  file,
  identity,
  settings,
}: ResolvedTask<ChoiceQuestion | GenerationQuestion>): TaskResult | undefined {
  const stored = file === undefined ? undefined : readJsonIfAny(file);
  if (!isObject(stored) || stored.identity !== identity || !isTaskResult(stored.result)) return undefined;
  return { ...stored.result, ...settings };
}

async function compute<T>(
  { settings, file, identity }: ResolvedTask<ChoiceQuestion | GenerationQuestion>,
  isOutcome: (item: number, value: unknown) => value is T,
  { signal, claim }: Pick<Work<T>, "signal" | "claim">,
  report: Report,
  run: (work: Work<T>) => Promise<Omit<TaskResult, keyof TaskSettings>>,
): Promise<TaskResult> {
  claim?.renew();
  const journal = new Journal(file && `${file}.partial`, identity, isOutcome);
  const started = performance.now();
  const doneBefore = journal.size;
  const onProgress = (done: number, total: number) => {
    const secondsPerItem = (performance.now() - started) / 1000 / (done - doneBefore);
    report(done, total, done > doneBefore ? secondsPerItem * (total - done) : null);
  };
  const result = { ...settings, ...(await run({ journal, claim, signal, onProgress })) };
  checkNumbers(result);
  if (file !== undefined) {
    claim?.renew();
    makeFolder(dirname(file));
    writeFileAtomic(file, JSON.stringify({ identity, result }));
    journal.remove();
  }
  return result;
}
