import type { CausalLM } from "../model/causal-lm";
import { tf } from "../model/tensorflow";
import { encodePair, modelInput } from "./request-tokens";
import { aggregate } from "./means";
import type { PreparedItem } from "./prepare";
import type { Sample, TaskResult, TaskSettings } from "./results";
import {
  computePrefix,
  planScoring,
  scoreBatch,
  type Plan,
  type ScoredSequence,
  type LogLikelihood,
} from "../model/log-likelihoods";
import type { ChoiceQuestion, MultipleChoiceTask } from "./task";
import { pause, workThrough, type Work } from "./work";

type Scored = Omit<TaskResult, keyof TaskSettings>;

/** What of a task's scoring is the same for all models of one tokenizer and architecture. */
export interface PreparedChoices {
  sequences: ScoredSequence[][];
  plan: Plan;
  /** the items of the sequences */
  kept: PreparedItem<ChoiceQuestion>[];
  leftOut: Scored["leftOut"];
  truncatedRequests: number;
}

/** Scores every choice of every item. */
export async function scoreChoices(
  model: CausalLM,
  task: MultipleChoiceTask,
  { sequences, plan, kept, leftOut, truncatedRequests }: PreparedChoices,
  work: Work<LogLikelihood[]>,
): Promise<Scored> {
  const prefix = computePrefix(model, plan.prefix);
  try {
    await workThrough(plan.batches, work, (batch) =>
      scoreBatch(model, batch, prefix, (item) => sequences[item].length),
    );
  } finally {
    tf.dispose(prefix);
  }
  const samples = kept.map(({ id, question, shots }, i): Sample => {
    const results = work.journal.get(i);
    const logLikelihoods = results.map(({ sum }) => sum);
    return {
      id,
      requests: question.requests.map(({ prompt, continuation }, j) => ({
        context: shots + prompt,
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

/** Tokens and batches of every item's choices. A choice that does not fit the model's context leaves its item out. */
export async function prepareChoices(
  model: CausalLM,
  items: PreparedItem<ChoiceQuestion>[],
  signal?: AbortSignal,
): Promise<PreparedChoices> {
  const tokenizer = model.needTokenizer();
  const maxLength = model.config.maxPositions;
  const sequences: ScoredSequence[][] = [];
  const kept: PreparedItem<ChoiceQuestion>[] = [];
  const leftOut: Scored["leftOut"] = [];
  let truncatedRequests = 0;
  for (const item of items) {
    await pause(signal);
    const contexts = new Map<string, number[]>();
    const encodeContext = (text: string) => {
      if (!contexts.has(text)) contexts.set(text, tokenizer.encode(text));
      return contexts.get(text)!;
    };
    const pairs = item.question.requests.map(({ prompt, continuation }) =>
      encodePair(tokenizer, item.shots + prompt, continuation, encodeContext),
    );
    const lengths = pairs.map(({ continuation }) => continuation.length);
    const bad = lengths.findIndex((length) => length === 0 || length > maxLength);
    if (bad >= 0) {
      const problem =
        lengths[bad] === 0
          ? "has no token of its own"
          : `has ${lengths[bad]} tokens, more than the model's context of ${maxLength}`;
      leftOut.push({ id: item.id, reason: `choice ${bad + 1} ${problem}` });
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
  return { sequences, plan: planScoring(sequences, model), kept, leftOut, truncatedRequests };
}
