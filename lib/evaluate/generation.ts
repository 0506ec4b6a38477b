import { tokenLength } from "../data/statistics";
import type { Tokenizer } from "../data/tokenizer";
import type { CausalLM } from "../model/causal-lm";
import { cutAtStops, stopsWhen } from "./answer";
import { endOfTurn, promptEncoder, type ChatForm } from "./chat-form";
import type { PreparedItem } from "./prepare";
import type { Sample, TaskResult, TaskSettings } from "./results";
import type { GenerationQuestion, GenerationTask } from "./task";
import { namingItem, pause, workThrough, type Work } from "./work";
import { EvaluationError } from "../data/errors";

/** A generated answer. */
export interface GeneratedText {
  text: string;
  /** ended by a stop text or end-of-sequence token, or cut off at the maximum length */
  finish: "stop" | "length";
}

/** Maximum number of prompts in a batch. */
const MAX_BATCH_SIZE = 128;
/** Maximum size of a batch's keys and values, in bytes. */
const CACHE_BYTES = 2 ** 32;

/** The part of a generation task that is the same for all models with one tokenizer and architecture. */
export interface PreparedPrompts {
  items: PreparedItem<GenerationQuestion>[];
  /** token ids of each item's prompt */
  prompts: number[][];
  /** maximum number of new tokens of each item's answer */
  limits: number[];
  /** batches of indices into `items`, longest prompts first */
  batches: { items: number[] }[];
  /** number of prompts that were cut to fit the context */
  truncatedRequests: number;
}

/**
 * Tokenizes every prompt and forms batches. Prompts are cut on the left so that the answer fits into the context. If
 * the task limits answers relative to their reference (`beyondReference`), the answer's limit is first reduced in favor
 * of the prompt, down to half of the context.
 * @param maxNewTokens maximum length of an answer, in tokens
 * @param chat the form of prompts that went through a chat template
 * @throws {EvaluationError} if an answer's limit leaves no room for a prompt
 * @throws {Interrupted} if the signal is aborted
 */
export async function preparePrompts(
  model: CausalLM,
  task: GenerationTask,
  items: PreparedItem<GenerationQuestion>[],
  maxNewTokens: number,
  chat: ChatForm | undefined,
  signal?: AbortSignal,
): Promise<PreparedPrompts> {
  const { maxPositions } = model.config;
  const tokenizer = model.needTokenizer();
  const encode = promptEncoder(tokenizer, chat);
  const prompts: number[][] = [];
  const limits: number[] = [];
  let truncatedRequests = 0;
  for (const { contexts, question } of items) {
    await pause(signal);
    const ids = encode(contexts[0]);
    const limit = Math.min(
      maxNewTokens,
      answerLimit(task, question, tokenizer, Math.max(maxPositions - ids.length, maxPositions >> 1)),
    );
    const room = maxPositions - limit;
    if (room <= 0) {
      throw new EvaluationError(
        `${task.name}: maxNewTokens of ${limit} leaves no room for a prompt ` +
          `in the model's context of ${maxPositions} tokens; set a smaller maxNewTokens.`,
      );
    }
    if (ids.length > room) truncatedRequests++;
    prompts.push(ids.slice(-room));
    limits.push(limit);
  }

  return { items, prompts, limits, batches: formBatches(prompts, limits, model), truncatedRequests };
}

/** Batches prompts of similar length, longest first, within the limits on batch size and key-value cache. */
function formBatches(prompts: number[][], limits: number[], model: CausalLM): { items: number[] }[] {
  const { layers, keyValueHeads, headSize } = model.config;
  const tokenBytes = layers * keyValueHeads * headSize * 2 * 4; // keys and values in float32
  const order = prompts.map((_, i) => i).sort((a, b) => prompts[b].length - prompts[a].length || a - b);
  const batches: { items: number[] }[] = [];
  for (let start = 0; start < order.length;) {
    const bytes = (prompts[order[start]].length + Math.max(...limits)) * tokenBytes;
    const rows = Math.max(1, Math.min(MAX_BATCH_SIZE, Math.floor(CACHE_BYTES / bytes)));
    batches.push({ items: order.slice(start, start + rows) });
    start += rows;
  }
  return batches;
}

function answerLimit(
  { beyondReference }: GenerationTask,
  { references }: GenerationQuestion,
  tokenizer: Tokenizer,
  room: number,
): number {
  return beyondReference === undefined
    ? Infinity
    : Math.min(room, tokenLength(references[0], tokenizer) + 1 + beyondReference);
}

/**
 * Generates an answer to every prompt by greedy decoding, and scores the answers.
 * @param chat the form of prompts that went through a chat template; answers then also stop at the end of the turn
 * @throws {EvaluationError} if a judge fails, or the model computes NaN or infinity for an item
 * @throws {Interrupted} if the signal is aborted
 */
export async function generateAnswers(
  model: CausalLM,
  task: GenerationTask,
  { items, prompts, limits, batches, truncatedRequests }: PreparedPrompts,
  chat: ChatForm | undefined,
  work: Work<GeneratedText>,
): Promise<Omit<TaskResult, keyof TaskSettings>> {
  const tokenizer = model.needTokenizer();
  const end = chat && endOfTurn(chat, tokenizer);
  const stops = [...task.stops, ...(end?.texts ?? [])];
  const stopIds = [...(tokenizer.endIds ?? [tokenizer.eosId]), ...(end?.ids ?? [])];
  const stopWhen = stopsWhen(tokenizer, stops);
  await workThrough(batches, work, async ({ items: rows }) => {
    const generations = await model
      .generate(
        rows.map((row) => prompts[row]),
        {
          maxNewTokens: rows.map((row) => limits[row]),
          batchSize: rows.length,
          stopIds,
          stopWhen,
          signal: work.signal,
        },
      )
      .catch((error: unknown) => {
        throw namingItem(error, task.name, (prompt) => items[rows[prompt]].id);
      });
    return rows.map((row, i): [number, GeneratedText] => [
      row,
      { text: cutAtStops(generations[i].text, stops), finish: generations[i].finish },
    ]);
  });

  const answers = items.map(({ question }, i) => ({ question, text: work.journal.get(i).text }));
  const { metrics, standardErrors, perAnswer, judged } = await task.score(answers, { signal: work.signal });
  const samples = items.map(({ id, question, contexts }, i): Sample => ({
    id,
    requests: [{ context: contexts[0], continuation: answers[i].text, logLikelihood: null, isGreedy: true }],
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
