import { join } from "node:path";
import { ALPACA_TEMPLATE, type PromptTemplate } from "../data/template";
import { CausalLM, loadModel } from "../model/causal-lm";
import { usableRun, type Run } from "../runs/store";
import { EvaluationError } from "../data/errors";

/** What is evaluated: a model at hand, or a run's, loaded when first needed. */
export interface Subject {
  model(): CausalLM;
  release(): void;
  template: PromptTemplate;
  /** where results are kept */
  scores?: { folder: string; weights: string };
  /** models of the same tokens get the same requests; all of those that share a memo, unless they say otherwise */
  tokens: string;
  /** what the model came from */
  run?: Run;
}

/** @throws {RunFailedError | EvaluationError} for a run without usable weights */
export function subjectOf(modelOrRun: CausalLM | Run): Subject {
  if (modelOrRun instanceof CausalLM)
    return { model: () => modelOrRun, release: () => {}, template: ALPACA_TEMPLATE, tokens: "" };
  const run = usableRun(modelOrRun);
  if (run.status !== "complete")
    throw new EvaluationError(
      `Run ${run.name} is ${run.status}: it has no final weights to evaluate. Train it to the end first.`,
    );
  let model: CausalLM | undefined;
  return {
    model: () => (model ??= loadModel(run.weightsDir)),
    release: () => model?.dispose(),
    template: run.recipe.template,
    scores: { folder: join(run.dir, "scores"), weights: run.record.weights!.sha256 },
    tokens: run.recipe.tokenizer.digest,
    run,
  };
}
