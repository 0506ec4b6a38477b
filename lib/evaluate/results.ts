import type { Harness, JudgedAnswer, PromptFormat } from "./task";

export interface RequestResult {
  /** shots and question, as text */
  context: string;
  /** the choice that was scored, or the text that was generated */
  continuation: string;
  /** log p(continuation | context), natural logarithm; null for generated text */
  logLikelihood: number | null;
  /** whether greedy decoding gives the continuation */
  isGreedy: boolean;
}

export interface Sample {
  /** place of the row among those of the evaluated splits, from 0 */
  id: number;
  requests: RequestResult[];
  /** empty where a metric exists for the task as a whole only */
  metrics: Record<string, number>;
  /** of generated text: right answers, and whether it ended by itself */
  references?: string[];
  finish?: "stop" | "length";
  /** what it was compared with, and how the judge decided */
  judged?: JudgedAnswer;
}

/** Everything a result depends on beside the model. */
export interface TaskSettings {
  task: string;
  version: string;
  /** whose rules were followed */
  harness: Harness;
  shots: number;
  /** only the first so many items; null: all */
  limit: number | null;
  format: PromptFormat;
  /** name of the prompt template, where the prompt has one */
  template: string | null;
  /** who compared the answers, in judged tasks */
  judge: string | null;
  /** of generations */
  maxNewTokens: number | null;
  /** SHA-256 over the files, the prompt template, and all that decides a judge's verdicts */
  data: string;
}

/** One task's result on one model. Accuracies are 0 to 1; BLEU, chrF, TER and ROUGE 0 to 100. */
export interface TaskResult extends TaskSettings {
  metrics: Record<string, number>;
  /** by metric; null where one item gives none */
  standardErrors: Record<string, number | null>;
  /** requests whose beginning was cut to fit the model's context */
  truncatedRequests: number;
  /** generations that reached `maxNewTokens` */
  unfinished: number;
  /** items that cannot be scored, and why; they count in no metric */
  leftOut: { id: number; reason: string }[];
  samples: Sample[];
}
