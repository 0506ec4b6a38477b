import type { CausalLM } from "../model/causal-lm";
import { promptEncoder, type ChatForm } from "./chat-form";
import { encodePair, modelInput } from "./request-tokens";
import { aggregate } from "./means";
import type { PreparedItem } from "./prepare";
import type { Sample, TaskResult, TaskSettings } from "./results";
import { planScoring, scoreBatch, type Batch, type ScoredSequence, type LogLikelihood } from "../model/log-likelihoods";
import type { ChoiceQuestion, MultipleChoiceTask } from "./task";
import { namingItem, pause, workThrough, type Work } from "./work";

type Outcome = Omit<TaskResult, keyof TaskSettings>;

/** The part of a multiple-choice task that is the same for all models with one tokenizer and architecture. */
export interface PreparedChoices {
  /** token ids of the requests of each item in `kept`, one per choice */
  sequences: ScoredSequence[][];
  /** batches of indices into `sequences` */
  batches: Batch[];
  /** the items that can be scored */
  kept: PreparedItem<ChoiceQuestion>[];
  /** the other items */
  leftOut: Outcome["leftOut"];
  /** number of requests whose beginning was cut off to fit the context */
  truncatedRequests: number;
}

/**
 * Computes the log-likelihood of every choice of every item, and the task's metrics.
 * @throws {EvaluationError} if the model computes NaN or infinity for an item
 * @throws {Interrupted} if the signal is aborted
 */
export async function scoreChoices(
  model: CausalLM,
  task: MultipleChoiceTask,
  { sequences, batches, kept, leftOut, truncatedRequests }: PreparedChoices,
  work: Work<LogLikelihood[]>,
): Promise<Outcome> {
  await workThrough(batches, work, (batch) => {
    try {
      return scoreBatch(model, batch, (item) => sequences[item]);
    } catch (error) {
      throw namingItem(error, task.name, (item) => kept[item].id);
    }
  });
  const samples = kept.map(({ id, question, contexts }, i): Sample => {
    const results = work.journal.get(i);
    const logLikelihoods = results.map(({ sum }) => sum);
    return {
      id,
      requests: question.requests.map(({ continuation }, j) => ({
        context: contexts[j],
        continuation,
        logLikelihood: results[j].sum,
        isGreedy: results[j].isGreedy,
      })),
      metrics: Object.fromEntries(
        Object.entries(task.metrics).map(([name, metric]) => [name, metric(question, logLikelihoods)]),
      ),
    };
  });
  return { ...aggregate(samples.map(({ metrics }) => metrics)), truncatedRequests, unfinished: 0, leftOut, samples };
}

/**
 * Tokenizes every choice of every item and plans batches. An item is left out if one of its choices has no tokens or
 * more tokens than the model's context.
 * @param chat the form of prompts that went through a chat template
 * @throws {Interrupted} if the signal is aborted
 */
export async function prepareChoices(
  model: CausalLM,
  items: PreparedItem<ChoiceQuestion>[],
  chat: ChatForm | undefined,
  signal?: AbortSignal,
): Promise<PreparedChoices> {
  const tokenizer = model.needTokenizer();
  const encode = promptEncoder(tokenizer, chat);
  const maxLength = model.config.maxPositions;
  const sequences: ScoredSequence[][] = [];
  const kept: PreparedItem<ChoiceQuestion>[] = [];
  const leftOut: Outcome["leftOut"] = [];
  let truncatedRequests = 0;
  for (const item of items) {
    await pause(signal);
    const contexts = new Map<string, number[]>();
    const encodeContext = (text: string) => {
      if (!contexts.has(text)) contexts.set(text, encode(text));
      return contexts.get(text)!;
    };
    const pairs = item.question.requests.map(({ continuation }, j) =>
      encodePair(tokenizer, item.contexts[j], continuation, {
        encode,
        encodeContext,
        trim: !item.question.rendered,
      }),
    );
    const lengths = pairs.map(({ continuation }) => continuation.length);
    const unusable = lengths.findIndex((length) => length === 0 || length > maxLength);
    if (unusable >= 0) {
      const problem =
        lengths[unusable] === 0
          ? "has no tokens"
          : `has ${lengths[unusable]} tokens, more than the model's context of ${maxLength}`;
      leftOut.push({ id: item.id, reason: `choice ${unusable + 1} ${problem}` });
      continue;
    }
    kept.push(item);
    sequences.push(
      pairs.map((pair) => {
        const { input, truncated } = modelInput(pair, maxLength);
        if (truncated) truncatedRequests++;
        return { input, continuation: pair.continuation };
      }),
    );
  }
  return { sequences, batches: planScoring(sequences, model), kept, leftOut, truncatedRequests };
}
