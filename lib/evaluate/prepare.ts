import { existsSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import { sha256 } from "../data/digest";
import { DataError } from "../data/errors";
import { readText } from "../data/read-json";
import { defaultDataDir } from "../data/repository";
import type { PromptTemplate } from "../data/template";
import { fromRoot } from "../runs/paths";
import { chatContext, USER_MESSAGE, type ChatForm } from "./chat-form";
import type { TaskOptions } from "./evaluate-options";
import { convertRows, type Fields } from "./fields";
import { checkShots, drawShots, shotText } from "./few-shot";
import { readRows } from "./split-rows";
import type { ChoiceQuestion, GenerationQuestion, Item, PromptStyle, SolvedQuestion, Task, TaskAbout } from "./task";

/** A question of either kind. */
type AnyQuestion = ChoiceQuestion | GenerationQuestion;

/** An item of a task with its few-shot examples. */
export interface PreparedItem<Q extends AnyQuestion> {
  /** index of the row among the rows of the evaluated splits, from 0 */
  id: number;
  /** through a chat template, continuations have no delimiter */
  question: Q;
  /** few-shot examples and question as one text: one per request of a multiple choice, or the one of a generation */
  contexts: string[];
}

/** The data of a task, read and checked. */
export interface PreparedTask<Q extends AnyQuestion> {
  /** the items in the order of evaluation; their few-shot examples are drawn at the first call */
  items(): PreparedItem<Q>[];
  /** SHA-256 over the digests of all files read */
  digest: string;
}

/** How a task is asked: a call's options, completed with the task's own settings. */
export interface Asking {
  /** few-shot examples per item */
  shots: number;
  /** number of items to evaluate; null: all */
  limit: number | null;
  style: PromptStyle;
  /** absent: prompts are plain text */
  chat?: ChatForm;
  /** folder that relative paths refer to, absolute */
  dataDir: string;
}

/**
 * Completes the options of a call.
 * @param template the prompt template that the model was trained with
 * @param chat the form of prompts that go through a chat template, which then stands for `template`
 */
export function askingOf(task: TaskAbout, options: TaskOptions, template: PromptTemplate, chat?: ChatForm): Asking {
  const { fewShot: shots = task.shots, limit = null, format = "harness", dataDir = defaultDataDir() } = options;
  const style = { format, template: chat ? USER_MESSAGE : template, ...(chat && { chat }) };
  return { shots, limit, style, ...(chat && { chat }), dataDir: fromRoot(dataDir) };
}

/**
 * Reads a task's rows and converts them to questions, see {@link prepareTask}.
 * @param splits splits to evaluate, each as a list of candidate paths, see {@link TaskData.items}
 */
export function prepareQuestions(
  task: Task,
  splits: string[][],
  { style, ...options }: Asking,
): Promise<PreparedTask<AnyQuestion>> {
  return prepareTask<AnyQuestion>(task, (row) => task.question(row, style), {
    splits,
    ...options,
  });
}

/**
 * Reads a task's rows.
 * @param question converts a row to a question
 * @param options.splits splits to evaluate, each as a list of candidate paths, see {@link TaskData.items}
 * @param options.dataDir folder that relative paths refer to
 * @param options.shots few-shot examples per item
 * @param options.limit number of items to evaluate; null: all
 * @param options.chat form of prompts that go through a chat template; default: prompts are plain text
 * @throws {DataError} for missing files and invalid rows
 * @throws {EvaluationError} for more few-shot examples than there are rows to draw from
 */
export async function prepareTask<Q extends AnyQuestion>(
  task: TaskAbout,
  question: (row: Fields) => Q,
  options: { splits: string[][]; dataDir: string; shots: number; limit: number | null; chat?: ChatForm },
): Promise<PreparedTask<Q>> {
  const digests: string[] = [];
  const within = (path: string) => (isAbsolute(path) ? path : join(options.dataDir, path));
  const load = async (candidates: string[]): Promise<Omit<Item<Q>, "id">[]> => {
    const { rows, file, digest } = await readRows(candidates.map(within));
    digests.push(digest);
    return convertRows(rows, file, question).map((converted, i) => ({ row: rows[i], question: converted }));
  };
  const numbered = (rows: Omit<Item<Q>, "id">[]) => rows.map((row, id) => ({ ...row, id }));
  for (const { file, advice } of task.data.others ?? []) {
    if (!existsSync(file)) throw new DataError(`${file}: file not found. ${advice}`);
    digests.push(sha256(readText(file)));
  }
  const all: Omit<Item<Q>, "id">[] = [];
  for (const split of options.splits) all.push(...(await load(split)));
  const pool = options.shots > 0 ? numbered(await load(task.data.shots)) : [];
  checkShots(task, pool.length, options.shots);
  const { choose = (rows: Item<Q>[]) => rows } = task;
  let items: PreparedItem<Q>[] | undefined;
  return {
    digest: sha256(digests.join()),
    items: () =>
      (items ??= drawShots(task, choose(numbered(all)), pool, options.shots, options.limit ?? undefined).map(
        ({ item: { id, question }, shots }) => ({ id, ...asked(question, shots, options.chat) }),
      )),
  };
}

/** A question as it is asked, and the text before each of its continuations. */
function asked<Q extends AnyQuestion>(
  question: Q,
  shots: readonly SolvedQuestion[],
  chat: ChatForm | undefined,
): Omit<PreparedItem<Q>, "id"> {
  const prompts = "requests" in question ? question.requests.map(({ prompt }) => prompt) : [question.prompt];
  if (!chat || question.rendered) {
    const before = shotText(shots);
    return { question, contexts: prompts.map((prompt) => before + prompt) };
  }
  const byPrompt = new Map(prompts.map((prompt) => [prompt, ""]));
  for (const prompt of byPrompt.keys()) byPrompt.set(prompt, chatContext(chat, shots, prompt));
  return { question: withoutDelimiter(question), contexts: prompts.map((prompt) => byPrompt.get(prompt)!) };
}

/** A question whose continuations begin with the answer itself: an assistant's message does not begin with a space. */
function withoutDelimiter<Q extends AnyQuestion>(question: Q): Q {
  if (!("requests" in question)) return question;
  const { length } = question.solved.delimiter;
  const requests = question.requests.map(({ prompt, continuation }) => ({
    prompt,
    continuation: continuation.slice(length),
  }));
  return { ...question, requests };
}
