import { seededRandom, shuffled } from "../../data/random";
import { renderPrompt } from "../../data/template";
import { instructionOf } from "../judge/judge-task";
import { bootstrapError, standardError } from "../means";
import type { Answer, GenerationQuestion, GenerationTask, OwnRows, Question, Scores, Item } from "../task";
import { sumSegments } from "../../metrics/additive";
import { bleuBySegment } from "../../metrics/bleu";

/** Prompts that are asked, where there are more: as many as in section 5.3. */
const MOST_PROMPTS = 10_000;
const SEED = 42;
/** Tokens that an answer may go on after it is as long as the right one: enough to tell the two apart, and no endless texts. */
const BEYOND = 16;
const MAX_NEW_TOKENS = 512;

/**
 * Memorization of training data (section 5.3, Figure 2c): the completions of unique training prompts, greedily generated, against
 * those that were trained on. Of equal prompts the first row counts; of more than 10,000 that many are drawn, with a seed.
 * A completion gets at most 16 tokens more than the right one has, 512, and what its prompt leaves of the model's context, which is
 * half of it at least.
 *
 * Metrics: `bleu`, corpus BLEU with the paper's settings (sacreBLEU's defaults), 0 to 100; `exact_match`, the share of completions
 * that are the right ones to the letter, white space at both ends aside. Errors by bootstrap over prompts.
 */
export const memorization = task("memorization", "training");

/** The same with held-out rows, as a control: what a model gets right without having seen it. */
export const memorizationHeldout = task("memorization-heldout", "held-out");

function task(name: string, items: OwnRows): GenerationTask {
  return {
    kind: "generation",
    name,
    version: "2",
    harness: "0.4.13",
    shots: 0,
    data: { items, shots: [], dropsItself: false },
    stops: [],
    maxNewTokens: MAX_NEW_TOKENS,
    beyondReference: BEYOND,
    choose: uniquePrompts,
    question(row, { template }) {
      const { prompt, completion } = renderPrompt({ ...instructionOf(row), output: row.text("output") }, template);
      return { prompt, solved: prompt + completion, references: [completion] };
    },
    score,
  };
}

function uniquePrompts<Q extends Question>(items: readonly Item<Q>[]): Item<Q>[] {
  const byPrompt = new Map<string, Item<Q>>();
  for (const item of items) {
    const { prompt } = item.question as Question as GenerationQuestion;
    if (!byPrompt.has(prompt)) byPrompt.set(prompt, item);
  }
  return shuffled([...byPrompt.values()], seededRandom("memorization", SEED)).slice(0, MOST_PROMPTS);
}

function score(answers: Answer[]): Scores {
  const references = answers.map(({ question }) => question.references[0]);
  const exact = answers.map(({ text }, i) => Number(text.trim() === references[i].trim()));
  const bleu = bleuBySegment(
    answers.map(({ text }) => text),
    [references],
  );
  const ofCorpus = (chosen: readonly number[][]) => bleu.score(sumSegments(chosen));
  return {
    metrics: {
      bleu: ofCorpus(bleu.segments),
      exact_match: exact.reduce((sum, value) => sum + value, 0) / exact.length,
    },
    standardErrors: { bleu: bootstrapError(bleu.segments, ofCorpus), exact_match: standardError(exact) },
    perAnswer: exact.map((value) => ({ exact_match: value })),
  };
}
