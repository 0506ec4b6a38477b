import { existsSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import { sha256 } from "../data/digest";
import { DataError } from "../data/errors";
import { readText } from "../data/read-json";
import { defaultDataDir } from "../data/repository";
import type { PromptTemplate } from "../data/template";
import { fromRoot } from "../runs/paths";
import type { TaskOptions } from "./evaluate-options";
import { convertRows, type Fields } from "./fields";
import { checkShots, drawShots, shotText } from "./few-shot";
import { readRows } from "./split-rows";
import type { ChoiceQuestion, GenerationQuestion, Item, PromptStyle, Question, Task, TaskAbout } from "./task";

/** An item of a task with its few-shot examples. */
export interface PreparedItem<Q extends Question> {
  /** index of the row among the rows of the evaluated splits, from 0 */
  id: number;
  question: Q;
  /** the few-shot examples as the text that precedes the question; "" without examples */
  shots: string;
}

/** The data of a task, read and checked. */
export interface PreparedTask<Q extends Question> {
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
  /** folder that relative paths refer to, absolute */
  dataDir: string;
}

/**
 * Completes the options of a call.
 * @param template the prompt template that the model was trained with
 */
export function askingOf(task: TaskAbout, options: TaskOptions, template: PromptTemplate): Asking {
  const { fewShot: shots = task.shots, limit = null, format = "harness", dataDir = defaultDataDir() } = options;
  return { shots, limit, style: { format, template }, dataDir: fromRoot(dataDir) };
}

/**
 * Reads a task's rows and converts them to questions, see {@link prepareTask}.
 * @param splits splits to evaluate, each as a list of candidate paths, see {@link TaskData.items}
 */
export function prepareQuestions(
  task: Task,
  splits: string[][],
  { style, ...options }: Asking,
): Promise<PreparedTask<ChoiceQuestion | GenerationQuestion>> {
  return prepareTask<ChoiceQuestion | GenerationQuestion>(task, (row) => task.question(row, style), {
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
 * @throws {DataError} for missing files and invalid rows
 * @throws {EvaluationError} for more few-shot examples than there are rows to draw from
 */
export async function prepareTask<Q extends Question>(
  task: TaskAbout,
  question: (row: Fields) => Q,
  options: { splits: string[][]; dataDir: string; shots: number; limit: number | null },
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
        ({ item, shots }) => ({ id: item.id, question: item.question, shots: shotText(shots) }),
      )),
  };
}
