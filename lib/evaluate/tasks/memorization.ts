import { seededRandom, shuffled } from "../../data/random";
import { rowAnswer } from "../row-answer";
import { bootstrapError, standardError } from "../means";
import type { Answer, GenerationQuestion, GenerationTask, OwnRows, Question, Scores, Item } from "../task";
import { sumSegments } from "../../metrics/additive";
import { bleuBySegment } from "../../metrics/bleu";

/** Maximum number of prompts, as in section 5.3. */
const MAX_PROMPTS = 10_000;
const SEED = 42;
/** Tokens that an answer may exceed the reference by: enough to recognize a longer answer, yet short to generate. */
const EXTRA_TOKENS = 16;
const MAX_NEW_TOKENS = 512;

/**
 * Memorization of training data (section 5.3, Figure 2c): greedily generated completions of unique training prompts,
 * compared with the training completions. Of rows with equal prompts the first is used. If there are more than 10,000
 * prompts, 10,000 are drawn with a fixed seed. Of a conversation the completion is the last answer, given all that
 * precedes it, through the chat template.
 *
 * A generated completion has at most 16 tokens more than the training completion with its end-of-sequence token, at
 * most 512 tokens, and must fit the context that the prompt leaves, of which at least half is reserved for it.
 *
 * Metrics: `bleu`, corpus BLEU with the paper's settings (sacreBLEU's defaults), 0 to 100, with a bootstrap standard
 * error over prompts; `exact_match`, the share of generated completions that equal the training completion except for
 * leading and trailing white space, 0 to 1, with the standard error of a mean.
 */
export const memorization = task("memorization", "training");

/**
 * The same with held-out rows, as a control: the scores that a model reaches on rows it was not trained on. See
 * {@link memorization}.
 */
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
    beyondReference: EXTRA_TOKENS,
    choose: uniquePrompts,
    question(row, style) {
      const { prompt, answer, rendered } = rowAnswer(row, style);
      return {
        prompt,
        solved: { question: prompt, delimiter: "", answer },
        references: [answer],
        ...(rendered && { rendered }),
      };
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
  return shuffled([...byPrompt.values()], seededRandom("memorization", SEED)).slice(0, MAX_PROMPTS);
}

function score(answers: Answer[]): Scores {
  const references = answers.map(({ question }) => question.references[0]);
  const exact = answers.map(({ text }, i) => Number(text.trim() === references[i].trim()));
  const bleu = bleuBySegment(
    answers.map(({ text }) => text),
    [references],
  );
  const corpusBleu = (sample: readonly number[][]) => bleu.score(sumSegments(sample));
  return {
    metrics: {
      bleu: corpusBleu(bleu.segments),
      exact_match: exact.reduce((sum, value) => sum + value, 0) / exact.length,
    },
    standardErrors: { bleu: bootstrapError(bleu.segments, corpusBleu), exact_match: standardError(exact) },
    perAnswer: exact.map((value) => ({ exact_match: value })),
  };
}
