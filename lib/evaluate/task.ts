import type { PromptTemplate } from "../data/template";
import type { Fields } from "./fields";
import type { Judge, Judgement } from "./judge/judge";

/** How translation prompts are laid out; the other tasks have one layout only. */
export const FORMATS = ["harness", "harness+instruction", "instruction"] as const;
/**
 * - `harness`: "German phrase: …\nEnglish phrase:", as the harness prompts;
 * - `harness+instruction`: the paper's "Translate the following from German to English" on a line before that;
 * - `instruction`: the paper's instruction and the sentence in the model's own prompt template.
 */
export type PromptFormat = (typeof FORMATS)[number];

export interface PromptStyle {
  format: PromptFormat;
  template: PromptTemplate;
}

/** Whose rules of drawing and scoring a task follows: the harness' release, or the commit that the paper used for multiple choice. */
export type Harness = "0.4.13" | "b281b09";

export interface TaskAbout {
  name: string;
  /** the task's version as its harness counts */
  version: string;
  harness: Harness;
  /** examples before the question, unless the caller says otherwise */
  shots: number;
  data: TaskData;
  /** which items to evaluate, in which order; default: all, as they are */
  choose?: <Q extends Question>(items: readonly Item<Q>[]) => Item<Q>[];
}

/** Files without extension, relative to the data folder or absolute; where several are named, the first that exists is read. */
export interface TaskData {
  /** splits to evaluate, joined in this order; or rows in Alpaca's format that depend on the run, see {@link OwnRows} */
  items: string[][] | OwnRows;
  /** the split that shots are drawn from */
  shots: string[];
  /** whether the harness may meet the evaluated row among the shots: it draws one more and drops it */
  dropsItself: boolean;
  /** other files that scores depend on, absolute, and what to do where one is missing */
  others?: { file: string; advice: string }[];
}

/** The rows that a run was trained on, or held-out ones: those that the option `heldout` names for its data set. */
export type OwnRows = "training" | "held-out";

export interface Question {
  /** the row with its right answer, as a shot shows it */
  solved: string;
}

export interface ChoiceQuestion extends Question {
  /** what is scored: the text after the shots, and its continuation */
  requests: { prompt: string; continuation: string }[];
  /** the choices as `acc_norm` measures them, one a request */
  choices: string[];
  /** which of them are right */
  correct: boolean[];
}

/** Chooses among given answers by their log-likelihood. */
export interface MultipleChoiceTask extends TaskAbout {
  kind: "multiple choice";
  question(row: Fields, style: PromptStyle): ChoiceQuestion;
  /** each metric of one question, from its requests' log-likelihoods; the task's is their mean */
  metrics: Record<string, (question: ChoiceQuestion, logLikelihoods: number[]) => number>;
}

export interface GenerationQuestion extends Question {
  prompt: string;
  /** right answers */
  references: string[];
  /** known wrong answers */
  wrong?: string[];
  /** what a judge is told the model was asked */
  instruction?: string;
}

export interface Answer {
  question: GenerationQuestion;
  text: string;
}

export interface Scores {
  /** unit by metric: accuracies 0 to 1; BLEU, chrF, TER and ROUGE 0 to 100 */
  metrics: Record<string, number>;
  /** null where one item gives none */
  standardErrors: Record<string, number | null>;
  /** per answer; empty objects where a metric exists for the whole only */
  perAnswer: Record<string, number>[];
  /** per answer, where a judge compared it with another */
  judged?: JudgedAnswer[];
}

export interface JudgedAnswer {
  opponent: string;
  judgements: Judgement[];
}

/** Answers freely, by greedy decoding; the answers are scored together. */
export interface GenerationTask extends TaskAbout {
  kind: "generation";
  /** the answer ends before the first of these, or at end-of-sequence */
  stops: string[];
  maxNewTokens: number;
  question(row: Fields, style: PromptStyle): GenerationQuestion;
  /** where answers are compared by a judge; the question is then always put in the model's own template. @throws {EvaluationError} where there is none */
  judge?: () => Judge;
  /** an answer gets at most so many tokens more than the first reference with its end-of-sequence token has, and what the prompt leaves of the context; `maxNewTokens` still holds */
  beyondReference?: number;
  score(answers: Answer[], context: { signal?: AbortSignal }): Scores | Promise<Scores>;
}

export type Task = MultipleChoiceTask | GenerationTask;

/** A Hugging Face data set's splits in folders of the data folder, by default one named as the task. */
export function splits(
  folders: string | string[],
  { items, shots, hasTest = false }: { items: string[]; shots: string; hasTest?: boolean },
): TaskData {
  const within = (split: string) => [folders].flat().map((folder) => `${folder}/${split}`);
  return { items: items.map(within), shots: within(shots), dropsItself: !hasTest };
}

/** The same task by the rules of the commit that the paper used, which never drops the evaluated row. */
export function asInPaper<T extends Task>(task: T, version: string): T {
  return {
    ...task,
    name: `${task.name}@b281b09`,
    harness: "b281b09",
    version,
    data: { ...task.data, dropsItself: false },
  };
}

/** A row of a split, as read and as a question; `id` is its place among the rows to evaluate. */
export interface Item<Q extends Question> {
  id: number;
  row: unknown;
  question: Q;
}
