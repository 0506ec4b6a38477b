import { integer, oneOf, text } from "../../data/validate";
import {
  aFunction,
  aList,
  aText,
  abortSignal,
  anObject,
  checkOptions,
  checkRows,
  maybe,
  type OptionSchemas,
} from "../../data/arguments";
import { sha256 } from "../../data/digest";
import { seededRandom } from "../../data/random";
import { JudgementCache, type Verdict, type JudgeAnswer } from "./judge-cache";
import { winRate, type WinRate } from "./win-rate";
import { codePoints } from "../../metrics/words";
import { EvaluationError } from "../../data/errors";

/** The question that two answers respond to. */
export interface JudgedQuestion {
  instruction: string;
  input?: string;
  /** a right answer; only stand-in judges use it */
  gold?: string;
}

/** Compares two answers to one instruction, shown in a given order. */
export interface Judge {
  /** identifies the judge in results */
  readonly name: string;
  /** true for a deterministic function in place of a judge model; its verdicts do not measure quality */
  readonly standIn: boolean;
  /** digest of everything that determines a verdict besides the question and the two answers; part of the cache key */
  readonly digest: string;
  /** number of concurrent questions; default 1 */
  readonly concurrency?: number;
  /** maximum number of times a question is asked until an answer can be parsed; default 1 */
  readonly attempts?: number;
  /** Computes the cost of tokens in the unit of the prices (US dollars, for example); undefined without prices. */
  cost?(promptTokens: number, completionTokens: number): number | undefined;
  /** Compares two answers, shown in the order given. */
  compare(
    question: JudgedQuestion,
    first: string,
    second: string,
    options?: { signal?: AbortSignal },
  ): Promise<JudgeAnswer>;
}

/** A question with the two answers to compare. */
export interface JudgedItem extends JudgedQuestion {
  /** the model's answer */
  output: string;
  /** the opponent's (baseline's) answer; Alpaca Eval calls it the reference output */
  reference: string;
}

/**
 * Order in which the two answers are shown. `random`: one judgement per item, in an order drawn from the seed, the
 * instruction and the input, so that it is the same for every model. `both`: one judgement in each order.
 */
export type JudgeOrder = "random" | "both";

/** Options of {@link judgeOutputs}. */
export interface JudgeOptions {
  judge: Judge;
  items: readonly JudgedItem[];
  /** default `random` */
  order?: JudgeOrder;
  /** seed of the order `random`; default 42 */
  seed?: number;
  /** JSON Lines file that answers are appended to as they arrive; answers in it are not requested again */
  cacheFile?: string;
  signal?: AbortSignal;
  onProgress?: (progress: JudgeProgress) => void;
}

const JUDGE_OPTIONS: OptionSchemas<JudgeOptions> = {
  judge: anObject,
  items: aList,
  order: oneOf<JudgeOrder>(["random", "both"]),
  seed: integer,
  cacheFile: text,
  signal: abortSignal,
  onProgress: aFunction,
};

/** Progress of {@link judgeOutputs}. */
export interface JudgeProgress {
  /** number of comparisons: one per item, or two with order `both` */
  total: number;
  /** comparisons that are done */
  done: number;
  /** comparisons done without a request of their own: from the cache, or equal to another comparison */
  cached: number;
  /** comparisons without a verdict */
  malformed: number;
  /** tokens and cost of this call so far */
  usage: JudgeUsage;
}

/** Number, tokens and cost of a judge's answers. */
export interface JudgeUsage {
  answers: number;
  promptTokens: number;
  completionTokens: number;
  /** in the unit of the judge's prices; undefined without prices */
  cost?: number;
}

/** A judge's verdict on two answers in one order. */
export interface Judgement {
  /** the answer shown first */
  first: "output" | "reference";
  /** null if no answer of the judge could be parsed */
  verdict: Verdict | null;
  /** all answers of the judge, including those that could not be parsed */
  answers: JudgeAnswer[];
}

/** Judgements of one item. */
export interface JudgedSample {
  /** index in `items` */
  item: number;
  /** 1 (reference) to 2 (output), 1.5 for a tie; the mean of both orders; null if any order has no verdict */
  preference: number | null;
  judgements: Judgement[];
}

/** Result of {@link judgeOutputs}. */
export interface JudgedResult {
  /** name of the judge */
  judge: string;
  /** whether the judge is a deterministic function in place of a judge model */
  standIn: boolean;
  order: JudgeOrder;
  winRate: WinRate;
  /** win rate of the same items if the longer answer always wins; a baseline to compare the judge with */
  lengthBaseline: WinRate;
  /**
   * percentage of verdicts, excluding ties, that chose the answer shown first; 50 means no position bias if orders are
   * balanced; null if all verdicts are ties or missing
   */
  firstChosen: number | null;
  /** comparisons without an answer that could be parsed after all attempts */
  malformed: number;
  /** items whose verdicts in the two orders contradict each other (order `both` only) */
  inconsistent: number;
  /** all answers that this result is based on */
  usage: JudgeUsage;
  /** answers requested in this call; the others came from the cache */
  spent: JudgeUsage;
  /** cache lines that could not be parsed; a process killed while writing leaves one */
  damagedLines: number;
  /** one per item */
  samples: JudgedSample[];
}

/** One request to the judge: an item with its answers in one order. */
interface Comparison {
  /** index in `items` */
  item: number;
  /** the answer shown first */
  first: "output" | "reference";
  /** cache key */
  key: string;
  question: JudgedQuestion;
  /** the two answers in the order shown */
  texts: [string, string];
}

/**
 * Compares every item's `output` with its `reference` and computes the win rate of the outputs.
 *
 * Each answer is written to `cacheFile` before the next question is asked, under a hash of the judge, its prompt, the
 * question and the two answers in order. A call that was interrupted or killed therefore continues where it stopped.
 *
 * If an answer cannot be parsed, the question is asked again, up to `judge.attempts` times in total. After that the
 * comparison has no verdict, its item does not count, and later calls do not ask again (to repeat it, remove its lines
 * from the cache).
 *
 * If the judge cannot be reached or rejects the caller, no further questions are asked, pending answers are saved, and
 * the error is thrown.
 * @throws {EvaluationError} if `items` is empty, the cache cannot be written, or the judge fails permanently
 * @throws the signal's reason, if `signal` is aborted
 */
export async function judgeOutputs(options: JudgeOptions): Promise<JudgedResult> {
  checkOptions("judgeOutputs", options, JUDGE_OPTIONS, { needed: ["judge", "items"], ErrorClass: EvaluationError });
  checkRows("judgeOutputs: items", options.items, {
    instruction: aText,
    input: maybe(aText),
    output: aText,
    reference: aText,
  });
  const { judge, items, order = "random", seed = 42, signal, onProgress } = options;
  if (items.length === 0) throw new EvaluationError("judgeOutputs: items is empty; give at least one item to judge.");
  const comparisons = items.flatMap((item, i) => comparisonsOf(judge, item, i, order, seed));
  const cache = new JudgementCache(options.cacheFile);
  try {
    const { answers, asked } = await askAll(judge, comparisons, cache, signal, onProgress);
    return summarize({ judge, items, order, comparisons, answers, asked, damagedLines: cache.damagedLines });
  } finally {
    cache.close();
  }
}

function comparisonsOf(judge: Judge, item: JudgedItem, i: number, order: JudgeOrder, seed: number): Comparison[] {
  const { instruction, input = "", gold = "", output, reference } = item;
  const outputFirst = seededRandom(seed, "judge order", instruction, input)() < 0.5;
  const firsts =
    order === "both" ? (["output", "reference"] as const) : ([outputFirst ? "output" : "reference"] as const);
  return firsts.map((first) => {
    const texts: [string, string] = first === "output" ? [output, reference] : [reference, output];
    return {
      item: i,
      first,
      texts,
      question: { instruction, input, gold },
      key: sha256(judge.digest, instruction, input, judge.standIn ? gold : "", ...texts),
    };
  });
}

/** Answers to all comparisons: those from the cache, and those requested in this call (`asked`). */
async function askAll(
  judge: Judge,
  comparisons: Comparison[],
  cache: JudgementCache,
  signal?: AbortSignal,
  onProgress?: JudgeOptions["onProgress"],
) {
  const { concurrency = 1 } = judge;
  const answers: JudgeAnswer[][] = [];
  const asked: JudgeAnswer[] = [];
  const pending = new Map<string, ReturnType<typeof ask>>(); // equal comparisons share one request
  let next = 0;
  let done = 0;
  let cached = 0;
  let malformed = 0;
  let failure: { error: unknown } | undefined;

  const work = async () => {
    while (next < comparisons.length && !failure) {
      const index = next++;
      const comparison = comparisons[index];
      try {
        signal?.throwIfAborted();
        const shared = pending.get(comparison.key);
        const answer = shared ?? ask(judge, comparison, cache, asked, signal);
        pending.set(comparison.key, answer);
        const { given, fromCache } = await answer;
        answers[index] = given;
        done++;
        if (fromCache || shared) cached++;
        if (answers[index].at(-1)!.verdict === null) malformed++;
        onProgress?.({ total: comparisons.length, done, cached, malformed, usage: usageOf(judge, asked) });
      } catch (error) {
        failure ??= { error };
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, comparisons.length) }, work));
  if (failure) throw failure.error;
  return { answers, asked };
}

/**
 * Asks one question until an answer has a verdict or all attempts are used. Answers that were paid for are saved in the
 * cache and added to `asked`.
 */
async function ask(
  judge: Judge,
  { key, question, texts }: Comparison,
  cache: JudgementCache,
  asked: JudgeAnswer[],
  signal?: AbortSignal,
): Promise<{ given: JudgeAnswer[]; fromCache: boolean }> {
  const { attempts = 1 } = judge;
  const given: JudgeAnswer[] = [...cache.get(key)];
  const cachedAnswers = given.length;
  while (given.length < attempts && (given.length === 0 || given.at(-1)!.verdict === null)) {
    signal?.throwIfAborted();
    const answer = await judge.compare(question, ...texts, { signal });
    if (answer.paid !== false) {
      cache.add(key, judge.name, answer);
      asked.push(answer);
    }
    given.push(answer);
    if (answer.paid === false) break;
  }
  return { given, fromCache: given.length === cachedAnswers };
}

interface Judged {
  judge: Judge;
  items: readonly JudgedItem[];
  order: JudgeOrder;
  comparisons: Comparison[];
  answers: JudgeAnswer[][];
  asked: JudgeAnswer[];
  damagedLines: number;
}

function summarize({ judge, items, order, comparisons, answers, asked, damagedLines }: Judged): JudgedResult {
  const samples: JudgedSample[] = items.map((_, item) => ({ item, preference: null, judgements: [] }));
  comparisons.forEach(({ item, first }, i) => {
    samples[item].judgements.push({ first, verdict: answers[i].at(-1)!.verdict, answers: answers[i] });
  });
  let inconsistent = 0;
  for (const sample of samples) {
    const preferences = sample.judgements
      .map(preferenceOf)
      .filter((preference): preference is number => preference !== null);
    if (preferences.length < sample.judgements.length) continue;
    sample.preference = preferences.reduce((sum, preference) => sum + preference, 0) / preferences.length;
    if (new Set(preferences).size > 1) inconsistent++;
  }
  const verdicts = samples.flatMap(({ judgements }) => judgements.map(({ verdict }) => verdict));
  const decided = verdicts.filter((verdict) => verdict === "first" || verdict === "second");
  return {
    judge: judge.name,
    standIn: judge.standIn,
    order,
    winRate: winRate(samples.map(({ preference }) => preference)),
    lengthBaseline: winRate(
      items.map(({ output, reference }) => 1.5 + Math.sign(codePoints(output) - codePoints(reference)) / 2),
    ),
    firstChosen:
      decided.length > 0 ? (100 * decided.filter((verdict) => verdict === "first").length) / decided.length : null,
    malformed: verdicts.filter((verdict) => verdict === null).length,
    inconsistent,
    usage: usageOf(
      judge,
      [...new Set(answers)].flat().filter(({ paid }) => paid !== false),
    ),
    spent: usageOf(judge, asked),
    damagedLines,
    samples,
  };
}

function preferenceOf({ first, verdict }: Judgement): number | null {
  if (verdict === null) return null;
  if (verdict === "tie") return 1.5;
  return (verdict === "first") === (first === "output") ? 2 : 1;
}

function usageOf(judge: Judge, answers: readonly JudgeAnswer[]): JudgeUsage {
  const promptTokens = answers.reduce((sum, answer) => sum + (answer.promptTokens ?? 0), 0);
  const completionTokens = answers.reduce((sum, answer) => sum + (answer.completionTokens ?? 0), 0);
  const cost = judge.cost?.(promptTokens, completionTokens);
  return { answers: answers.length, promptTokens, completionTokens, ...(cost !== undefined && { cost }) };
}
