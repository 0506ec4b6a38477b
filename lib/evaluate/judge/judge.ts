import { sha256 } from "../../data/digest";
import { seededRandom } from "../../data/random";
import { JudgementCache, type Verdict, type JudgeAnswer } from "./judge-cache";
import { winRate, type WinRate } from "./win-rate";
import { codePoints } from "../../metrics/words";
import { EvaluationError } from "../../data/errors";

/** What the two answers answer. `gold` is a right answer: only stand-in judges look at it. */
export interface JudgedQuestion {
  instruction: string;
  input?: string;
  gold?: string;
}

/** Compares two answers to one instruction, in the order they are given. */
export interface Judge {
  readonly name: string;
  /** true for a deterministic replacement of a judge model: its verdicts are no substitute for a judge's */
  readonly standIn: boolean;
  /** everything besides the question and the two answers that decides a verdict; part of the cache's keys */
  readonly digest: string;
  /** questions at a time; 1 if absent */
  readonly concurrency?: number;
  /** how often a question is asked until an answer can be read; 1 if absent */
  readonly attempts?: number;
  /** US dollars, or whatever unit the prices have; undefined where they are unknown */
  cost?(promptTokens: number, completionTokens: number): number | undefined;
  compare(
    question: JudgedQuestion,
    first: string,
    second: string,
    options?: { signal?: AbortSignal },
  ): Promise<JudgeAnswer>;
}

export interface JudgedItem extends JudgedQuestion {
  /** the model's answer */
  output: string;
  /** the answer it is compared with, which Alpaca Eval calls the reference output: the baseline's */
  reference: string;
}

/** `random`: one order an item, drawn from the seed and the instruction, so that it is the same for every model; `both`: one judgement each way. */
export type JudgeOrder = "random" | "both";

export interface JudgeOptions {
  judge: Judge;
  items: readonly JudgedItem[];
  /** default `random` */
  order?: JudgeOrder;
  /** default 42 */
  seed?: number;
  /** answers are kept here as they come, one JSON object a line, and never asked for twice */
  cacheFile?: string;
  signal?: AbortSignal;
  onProgress?: (progress: JudgeProgress) => void;
}

export interface JudgeProgress {
  /** comparisons: one an item, or two with `both` */
  total: number;
  done: number;
  /** of those, without asking now */
  cached: number;
  malformed: number;
  /** of the answers of this call */
  usage: JudgeUsage;
}

/** `cost` is undefined where the judge has no prices. */
export interface JudgeUsage {
  answers: number;
  promptTokens: number;
  completionTokens: number;
  cost?: number;
}

export interface Judgement {
  /** what stood first */
  first: "output" | "reference";
  verdict: Verdict | null;
  /** all answers, the unreadable ones before the last included */
  answers: JudgeAnswer[];
}

export interface JudgedSample {
  /** position in `items` */
  item: number;
  /** 1 reference to 2 output, 1.5 for a tie, the mean of both orders; null without a verdict in each */
  preference: number | null;
  judgements: Judgement[];
}

export interface JudgedResult {
  judge: string;
  standIn: boolean;
  order: JudgeOrder;
  winRate: WinRate;
  /** the same items judged by length alone, longer wins: what a judge has to be read against */
  lengthBaseline: WinRate;
  /** verdicts other than ties that chose what stood first, per cent; 50 is without bias where orders are balanced; null without any */
  firstChosen: number | null;
  /** comparisons without a readable answer after all attempts */
  malformed: number;
  /** items whose two orders contradict each other (`both` only) */
  inconsistent: number;
  /** all answers behind this result */
  usage: JudgeUsage;
  /** the answers asked for in this call; the rest was in the cache */
  spent: JudgeUsage;
  /** lines of the cache that could not be read, as a kill in the middle of writing leaves */
  damagedLines: number;
  samples: JudgedSample[];
}

interface Comparison {
  item: number;
  first: "output" | "reference";
  key: string;
  question: JudgedQuestion;
  texts: [string, string];
}

/**
 * Judges every item's `output` against its `reference`.
 *
 * Each answer is in `cacheFile` before the next is asked for, under a hash of the judge, its prompt, the question and the two
 * answers in their order; so a call that was interrupted, or killed, goes on where it stopped. An answer that cannot be read is
 * asked for again up to `judge.attempts` times in all; then the comparison stays without a verdict, its item does not count,
 * and later calls do not ask again (remove its lines from the cache to do so).
 * Where the judge cannot be reached or refuses the caller, no further questions are asked, those under way are kept, and the error is thrown.
 * @throws {EvaluationError} for empty items, or when the judge gives up; the signal's reason when interrupted
 */
export async function judgeOutputs(options: JudgeOptions): Promise<JudgedResult> {
  const { judge, items, order = "random", seed = 42, signal, onProgress } = options;
  if (items.length === 0) throw new EvaluationError("judgeOutputs: there are no items to judge.");
  const comparisons = items.flatMap((item, i) => comparisonsOf(judge, item, i, order, seed));
  const cache = new JudgementCache(options.cacheFile);
  try {
    const { answers, asked } = await askAll(judge, comparisons, cache, signal, onProgress);
    return resultOf({ judge, items, order, comparisons, answers, asked, damagedLines: cache.damagedLines });
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

async function askAll(
  judge: Judge,
  comparisons: Comparison[],
  cache: JudgementCache,
  signal?: AbortSignal,
  onProgress?: JudgeOptions["onProgress"],
) {
  const { attempts = 1, concurrency = 1 } = judge;
  const answers: JudgeAnswer[][] = [];
  const asked: JudgeAnswer[] = [];
  const underWay = new Map<string, Promise<{ given: JudgeAnswer[]; known: boolean }>>(); // equal comparisons are asked for once
  let next = 0,
    done = 0,
    cached = 0,
    malformed = 0;
  let failure: { error: unknown } | undefined;

  const ask = async ({ key, question, texts }: Comparison) => {
    const given: JudgeAnswer[] = [...cache.get(key)];
    const before = given.length;
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
    return { given, known: given.length === before };
  };
  const work = async () => {
    while (next < comparisons.length && !failure) {
      const index = next++;
      const comparison = comparisons[index];
      try {
        signal?.throwIfAborted();
        const shared = underWay.get(comparison.key);
        const answer = shared ?? ask(comparison);
        underWay.set(comparison.key, answer);
        const { given, known } = await answer;
        answers[index] = given;
        done++;
        if (known || shared) cached++;
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

interface Judged {
  judge: Judge;
  items: readonly JudgedItem[];
  order: JudgeOrder;
  comparisons: Comparison[];
  answers: JudgeAnswer[][];
  asked: JudgeAnswer[];
  damagedLines: number;
}

function resultOf({ judge, items, order, comparisons, answers, asked, damagedLines }: Judged): JudgedResult {
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
