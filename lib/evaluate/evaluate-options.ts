import type { PromptTemplate } from "../data/template";
import type { Judge } from "./judge/judge";
import { FORMATS, type PromptFormat } from "./task";
import { EvaluationError } from "../data/errors";

/** What decides a task's result, beside model and data. */
export interface TaskOptions {
  /** folder with `<task>/<split>.jsonl` (or .json, .parquet), relative to the repository root; default `datasets/benchmarks` */
  dataDir?: string;
  /** only the first so many items of each task */
  limit?: number;
  /** examples before each question; default: each task's own number */
  fewShot?: number;
  /** of generations; default: each task's own */
  maxNewTokens?: number;
  /** of translation prompts; default "harness" */
  format?: PromptFormat;
  /** of format "instruction" and of judged tasks; default: the run's own, or Alpaca's */
  template?: PromptTemplate;
  /** by data set, a file in Alpaca's format with rows that its runs were not trained on, for `memorization-heldout`; see `heldoutFiles` */
  heldout?: Readonly<Record<string, string>>;
  /** of Alpaca Eval and PandaLM; default: the endpoint that the environment names, see `openAiJudge` */
  judge?: Judge;
}

export interface EvaluateOptions extends TaskOptions {
  /** stops within a batch; for a run, the same call continues */
  signal?: AbortSignal;
  onProgress?: (progress: EvaluationProgress) => void;
  /** once all tasks are done: "throw" (default) a `TasksFailedError` that names the failed ones, or "return" the others */
  onFailure?: "throw" | "return";
}

export interface EvaluationProgress {
  task: string;
  tasksDone: number;
  tasks: number;
  /** items of this task */
  done: number;
  total: number;
  /** of this task; null before anything is done */
  etaSeconds: number | null;
}

/** @throws {EvaluationError} naming the option that cannot be */
export function checkOptions({ limit, fewShot, maxNewTokens, format }: TaskOptions): void {
  const whole = (name: string, value: number | undefined, least: number) => {
    if (value !== undefined && !(Number.isSafeInteger(value) && value >= least))
      throw new EvaluationError(`${name} must be a whole number of at least ${least}, not ${value}.`);
  };
  whole("limit", limit, 1);
  whole("fewShot", fewShot, 0);
  whole("maxNewTokens", maxNewTokens, 1);
  if (format !== undefined && !FORMATS.includes(format))
    throw new EvaluationError(`format must be one of ${FORMATS.join(", ")}, not ${JSON.stringify(format)}.`);
}
