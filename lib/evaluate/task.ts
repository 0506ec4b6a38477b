import type { ChatTemplate } from "../data/chat-template";
import type { PromptTemplate } from "../data/template";
import type { Fields } from "./fields";
import type { Judge, Judgement } from "./judge/judge";

/** Layouts of translation prompts, see {@link PromptFormat}. Other tasks have a single layout. */
export const FORMATS = ["harness", "harness+instruction", "instruction"] as const;
/**
 * Layout of translation prompts:
 * - `harness`: "German phrase: …\nEnglish phrase:", as in lm-evaluation-harness;
 * - `harness+instruction`: the same, preceded by the paper's line "Translate the following from German to English";
 * - `instruction`: the paper's instruction and the source sentence in the model's prompt template.
 */
export type PromptFormat = (typeof FORMATS)[number];

/** How questions are put through a chat template. */
export interface ChatForm {
  template: ChatTemplate;
  /** whether each few-shot example is a user's and an assistant's turn; otherwise all are in the question's message */
  fewShotAsTurns: boolean;
  /** content of a system message before everything else */
  systemPrompt?: string;
}

/** How a task's prompts are written. */
export interface PromptStyle {
  format: PromptFormat;
  /** used by format "instruction" and by tasks that follow the model's template */
  template: PromptTemplate;
  /** form of prompts through a chat template; absent: prompts are plain text */
  chat?: ChatForm;
}

/**
 * Version of lm-evaluation-harness whose rules a task follows for drawing few-shot examples and scoring: release
 * 0.4.13, or the commit that the paper used for multiple choice.
 */
export type Harness = "0.4.13" | "b281b09";

/** Properties that all kinds of tasks have. */
export interface TaskAbout {
  name: string;
  /** version of the task in its harness */
  version: string;
  harness: Harness;
  /** default number of few-shot examples before the question */
  shots: number;
  data: TaskData;
  /** selects and orders the items to evaluate; default: all items in file order */
  choose?: <Q extends Question>(items: readonly Item<Q>[]) => Item<Q>[];
  /**
   * whether the questions are written in the model's prompt template, whatever the format; tasks with a judge and those
   * whose rows depend on the run always use it
   */
  usesTemplate?: boolean;
  /** digest of what the questions are made from, if that is not fixed by name and version: stored scores depend on it */
  definition?: string;
}

/**
 * Files of a task. Paths have no extension and are relative to the data folder, or absolute. Where a list of paths is
 * given for one split, the first that exists is read.
 */
export interface TaskData {
  /** splits to evaluate, concatenated in this order; or rows in Alpaca's format that depend on the run */
  items: string[][] | OwnRows;
  /** the split that few-shot examples are drawn from */
  shots: string[];
  /** whether that split may contain the evaluated row; the harness then draws one extra example and drops the row */
  dropsItself: boolean;
  /** other files that the scores depend on (absolute paths), and advice for the error message if one is missing */
  others?: { file: string; advice: string }[];
}

/**
 * Rows that depend on the run: the rows it was trained on, or held-out rows, which the option `heldout` names for the
 * run's dataset.
 */
export type OwnRows = "training" | "held-out";

/** A question with its right answer, as it appears as a few-shot example. */
export interface SolvedQuestion {
  question: string;
  /** what stands between question and answer where they are one text; nothing does where they are turns of a chat */
  delimiter: string;
  answer: string;
}

/** A row converted to a question. */
export interface Question {
  solved: SolvedQuestion;
  /** present and true if the prompts went through the chat template already, so that they are left as they are */
  rendered?: true;
}

/** A multiple-choice question. */
export interface ChoiceQuestion extends Question {
  /**
   * one per choice: the text after the few-shot examples, and the continuation whose log-likelihood is computed; it
   * begins with the delimiter of `solved`
   */
  requests: { prompt: string; continuation: string }[];
  /** text of each choice, whose length `acc_norm` divides by */
  choices: string[];
  /** whether each choice is right */
  correct: boolean[];
}

/** A task that compares the log-likelihoods of given answers. */
export interface MultipleChoiceTask extends TaskAbout {
  kind: "multiple choice";
  /**
   * Converts a row.
   * @throws {FieldProblem} if a field is missing or invalid
   */
  question(row: Fields, style: PromptStyle): ChoiceQuestion;
  /** computes each metric of one question from its log-likelihoods (nats); the task's metric is the mean */
  metrics: Record<string, (question: ChoiceQuestion, logLikelihoods: number[]) => number>;
}

/** A question that is answered with generated text. */
export interface GenerationQuestion extends Question {
  /** the text after the few-shot examples */
  prompt: string;
  /** right answers */
  references: string[];
  /** known wrong answers */
  wrong?: string[];
  /** judged tasks: the instruction that the model answers, as shown to the judge */
  instruction?: string;
}

/** A generated answer. */
export interface Answer {
  question: GenerationQuestion;
  text: string;
}

/** Scores of a generation task. */
export interface Scores {
  /** accuracies 0 to 1; BLEU, chrF, TER and ROUGE 0 to 100 */
  metrics: Record<string, number>;
  /** by metric; null if there are too few items to estimate it */
  standardErrors: Record<string, number | null>;
  /** metrics of each answer; empty objects if metrics are defined for the whole task only */
  perAnswer: Record<string, number>[];
  /** one per answer, if a judge compared the answers with an opponent's */
  judged?: JudgedAnswer[];
}

/** A judge's verdicts on one answer. */
export interface JudgedAnswer {
  /** the answer it was compared with */
  opponent: string;
  /** one per order in which the two answers were shown */
  judgements: Judgement[];
}

/** A task whose answers are generated by greedy decoding and scored together. */
export interface GenerationTask extends TaskAbout {
  kind: "generation";
  /** the answer ends before the first of these texts, or at the end-of-sequence token */
  stops: string[];
  /** default maximum length of an answer, in tokens */
  maxNewTokens: number;
  /**
   * Converts a row.
   * @throws {FieldProblem} if a field is missing or invalid
   */
  question(row: Fields, style: PromptStyle): GenerationQuestion;
  /**
   * Returns the judge that compares the answers. The questions of a judged task always use the model's template.
   * @throws {EvaluationError} if no judge is configured
   */
  judge?: () => Judge;
  /**
   * Limits an answer to this many tokens more than the first reference with its end-of-sequence token. The answer must
   * also fit the context that the prompt leaves, and `maxNewTokens` still applies.
   */
  beyondReference?: number;
  /** Scores all answers of the task; `signal` interrupts judges. */
  score(answers: Answer[], context: { signal?: AbortSignal }): Scores | Promise<Scores>;
}

/** A benchmark task. */
export type Task = MultipleChoiceTask | GenerationTask;

/**
 * Describes the files of a Hugging Face dataset, saved as `<folder>/<split>` in the data folder.
 * @param folders candidate folders; the first that exists is used
 * @param options.items splits to evaluate
 * @param options.shots split that few-shot examples are drawn from
 * @param options.hasTest whether the harness evaluates a test split, which cannot contain the examples; default false
 */
export function splits(
  folders: string | string[],
  { items, shots, hasTest = false }: { items: string[]; shots: string; hasTest?: boolean },
): TaskData {
  const within = (split: string) => [folders].flat().map((folder) => `${folder}/${split}`);
  return { items: items.map(within), shots: within(shots), dropsItself: !hasTest };
}

/**
 * Returns a copy of a task that follows the rules of harness commit b281b09, which the paper used. That commit never
 * drops the evaluated row from the few-shot examples.
 * @param version the task's version in that commit
 */
export function asInPaper<T extends Task>(task: T, version: string): T {
  return {
    ...task,
    name: `${task.name}@b281b09`,
    harness: "b281b09",
    version,
    data: { ...task.data, dropsItself: false },
  };
}

/** A row of a split, with the question it was converted to. */
export interface Item<Q extends Question> {
  /** index of the row among the rows to evaluate, from 0 */
  id: number;
  /** the row as read from its file */
  row: unknown;
  question: Q;
}
