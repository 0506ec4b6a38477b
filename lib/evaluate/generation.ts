import { tokenLength } from "../data/statistics";
import type { Tokenizer } from "../data/tokenizer";
import type { CausalLM } from "../model/causal-lm";
import { cutAtStops, stopsWhen } from "./answer";
import type { PreparedItem } from "./prepare";
import type { Sample, TaskResult, TaskSettings } from "./results";
import type { GenerationQuestion, GenerationTask } from "./task";
import { pause, workThrough, type Work } from "./work";
import { EvaluationError } from "../data/errors";

export interface GeneratedText {
  text: string;
  finish: "stop" | "length";
}

/** Prompts that are continued together, memory allowing. */
const BATCH = 128;
/** Keys and values that a batch may fill, in bytes. */
const CACHE_BYTES = 2 ** 32;

/** What of a task's generations is the same for all models of one tokenizer and architecture. */
export interface PreparedPrompts {
  items: PreparedItem<GenerationQuestion>[];
  /** token ids, one prompt an item */
  prompts: number[][];
  /** new tokens that an item's answer may have at most */
  limits: number[];
  batches: { items: number[] }[];
  truncatedRequests: number;
}

/**
 * Tokens and batches of every prompt, cut on the left so that the answer's tokens fit behind them. An answer that may be as
 * long as its reference gives way to the prompt first, down to half of the context.
 * @throws {EvaluationError} when no room for a prompt is left
 */
export async function preparePrompts(
  model: CausalLM,
  task: GenerationTask,
  items: PreparedItem<GenerationQuestion>[],
  maxNewTokens: number,
  signal?: AbortSignal,
): Promise<PreparedPrompts> {
  const { maxPositions, layers, keyValueHeads, headSize } = model.config;
  const tokenizer = model.needTokenizer();
  const prompts: number[][] = [];
  const limits: number[] = [];
  let truncatedRequests = 0;
  for (const { shots, question } of items) {
    await pause(signal);
    const ids = tokenizer.encode(shots + question.prompt);
    const limit = Math.min(
      maxNewTokens,
      longestAnswer(task, question, tokenizer, Math.max(maxPositions - ids.length, maxPositions >> 1)),
    );
    const room = maxPositions - limit;
    if (room <= 0) {
      throw new EvaluationError(
        `${task.name}: ${limit} new tokens leave no room for a prompt in the model's context of ${maxPositions}; give a smaller maxNewTokens.`,
      );
    }
    if (ids.length > room) truncatedRequests++;
    prompts.push(ids.slice(-room));
    limits.push(limit);
  }

  const tokenBytes = layers * keyValueHeads * headSize * 2 * 4;
  const order = prompts.map((_, i) => i).sort((a, b) => prompts[b].length - prompts[a].length || a - b);
  const batches: { items: number[] }[] = [];
  for (let start = 0; start < order.length;) {
    const bytes = (prompts[order[start]].length + Math.max(...limits)) * tokenBytes;
    const rows = Math.max(1, Math.min(BATCH, Math.floor(CACHE_BYTES / bytes)));
    batches.push({ items: order.slice(start, start + rows) });
    start += rows;
  }
  return { items, prompts, limits, batches, truncatedRequests };
}

function longestAnswer(
  { beyondReference }: GenerationTask,
  { references }: GenerationQuestion,
  tokenizer: Tokenizer,
  room: number,
): number {
  return beyondReference === undefined
    ? Infinity
    : Math.min(room, tokenLength(references[0], tokenizer) + 1 + beyondReference);
}

/** Continues every prompt greedily, and scores the answers. */
export async function generateAnswers(
  model: CausalLM,
  task: GenerationTask,
  { items, prompts, limits, batches, truncatedRequests }: PreparedPrompts,
  work: Work<GeneratedText>,
): Promise<Omit<TaskResult, keyof TaskSettings>> {
  const stopWhen = stopsWhen(model.needTokenizer(), task.stops);
  await workThrough(batches, work, async ({ items: rows }) => {
    const generations = await model.generate(
      rows.map((row) => prompts[row]),
      { maxNewTokens: rows.map((row) => limits[row]), batchSize: rows.length, stopWhen, signal: work.signal },
    );
    return rows.map((row, i): [number, GeneratedText] => [
      row,
      { text: cutAtStops(generations[i].text, task.stops), finish: generations[i].finish },
    ]);
  });

  const answers = items.map(({ question }, i) => ({ question, text: work.journal.get(i).text }));
  const { metrics, standardErrors, perAnswer, judged } = await task.score(answers, { signal: work.signal });
  const samples = items.map(({ id, question, shots }, i): Sample => ({
    id,
    requests: [
      { context: shots + question.prompt, continuation: answers[i].text, logLikelihood: null, isGreedy: true },
    ],
    metrics: perAnswer[i],
    references: question.references,
    finish: work.journal.get(i).finish,
    ...(judged && { judged: judged[i] }),
  }));
  return {
    metrics,
    standardErrors,
    truncatedRequests,
    unfinished: samples.filter(({ finish }) => finish === "length").length,
    leftOut: [],
    samples,
  };
}
