import type { Truncation } from "../data/encode";
import type { PartWeights } from "../data/part-weights";
import type { Turns } from "../data/loss-weighting";
import type { Normalizer } from "../data/normalizer";
import type { NamedChatTemplate } from "../data/row-template";
import type { PromptTemplate } from "../data/template";
import type { JudgeSettings } from "../evaluate/judge/judge-settings";
import type { TaskRequest } from "../evaluate/task-request";
import type { DatasetSource } from "../runs/dataset-source";
import type { Hyperparameters } from "../runs/hyperparameters";
import type { Retain } from "../runs/prune";

/**
 * A study: every model is trained on every data set with every prompt loss weight, normalizer, completion weight, set of
 * part weights, variant and seed, and scored on every task. Plain data, so a notebook can ask for more: `{ ...study, plws: [...study.plws, 0.03] }`.
 */
export interface Study {
  /** also the name of the study's folder of outputs */
  name: string;
  /** Hugging Face directories by name, absolute */
  models: Record<string, string>;
  datasets: Record<string, DatasetSource>;
  /** absolute path of a file of rows that no run is trained on; control for memorization, and for held-out loss */
  heldout?: string;
  /** directory of the tokenizer that counts tokens; default: that of the first model */
  tokenizer?: string;
  /** prompt loss weights */
  plws: number[];
  /** weights of the completion, λr; default [1] */
  completionWeights?: number[];
  /** sets of weights of parts, which replace the PLW or λr there; {} is a set without any; default [{}] */
  partWeights?: PartWeights[];
  /** which answers of a conversation count as completion, in all runs; default "all" */
  turns?: Turns;
  normalizers: Normalizer[];
  /** sets of hyperparameters by name, each completed with `hyperparameters`; none: those alone */
  variants?: Record<string, Partial<Hyperparameters>>;
  seeds: number[];
  truncation: Truncation;
  /** whether rows that lose their whole completion at the maximum length are left out */
  dropEmpty?: boolean;
  /** template of rows in Alpaca's format */
  template: PromptTemplate;
  /** chat template of conversations; default: that of each model's tokenizer */
  chatTemplate?: NamedChatTemplate;
  hyperparameters: Hyperparameters;
  /** TensorFlow threads of every run; default: by the size of the model */
  threads?: number;
  /** benchmarks; may be empty */
  tasks: TaskRequest[];
  /** folder of the benchmarks' data, absolute; default `datasets/benchmarks` */
  dataDir?: string;
  /** judge of judged tasks; default: the one that the environment variables name */
  judge?: JudgeSettings;
  /** licenses of models and data sets by their name in the study; cards for the Hub need them */
  licenses?: Record<string, string>;
  /** what is kept of a run once its scores are there; default "weights" */
  retain?: Retain;
}
