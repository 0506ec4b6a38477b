import { join } from "node:path";
import { loadChatTemplate, type ChatTemplate } from "../data/chat-template";
import { isChatTemplate } from "../data/row-template";
import { ALPACA_TEMPLATE, type PromptTemplate } from "../data/template";
import { CausalLM, loadModel } from "../model/causal-lm";
import { parametersOf, usableRun, type Run } from "../runs/store";
import { EvaluationError } from "../data/errors";

/** The model under evaluation: one in memory, or the final model of a run, loaded when first needed. */
export interface Subject {
  /** loads the model if necessary */
  model(): CausalLM;
  /** disposes of a model that this subject loaded; does nothing for a model in memory */
  release(): void;
  /** the prompt template that the model was trained with; Stanford Alpaca's if it was trained on conversations */
  template: PromptTemplate;
  /** the chat template that the model was trained with, if it was trained on conversations */
  chatTemplate?: ChatTemplate;
  /**
   * loads the chat template in the model's directory
   * @throws {PromptlossError} if there is none, or the run was pruned
   */
  ownChatTemplate(): ChatTemplate;
  /** folder that results are stored in, and SHA-256 of the model's parameters; absent for a model in memory */
  scores?: { folder: string; weights: string };
  /**
   * Identifies the tokenizer. Subjects with equal `tokens` share tokenized requests. A model in memory has "", so all
   * models in memory that are evaluated with the same memo must have the same tokenizer.
   */
  tokens: string;
  /** the run that the model comes from; absent for a model in memory */
  run?: Run;
}

/**
 * Prepares a model or run for evaluation, without loading it.
 * @throws {RunFailedError} if the run failed or its final parameters are damaged
 * @throws {EvaluationError} if the run is not complete
 */
export function subjectOf(modelOrRun: CausalLM | Run): Subject {
  if (modelOrRun instanceof CausalLM)
    return {
      model: () => modelOrRun,
      release: () => {},
      template: ALPACA_TEMPLATE,
      ownChatTemplate: () => chatTemplateOf(modelOrRun),
      tokens: "",
    };
  const run = usableRun(modelOrRun);
  if (run.status !== "complete")
    throw new EvaluationError(
      `Run ${run.name} is ${run.status}: it has no final parameters to evaluate. Finish its training first.`,
    );
  let model: CausalLM | undefined;
  const { template } = run.recipe;
  return {
    model: () => (model ??= loadModel(parametersOf(run, "evaluate it on a further task"))),
    release: () => model?.dispose(),
    ...(isChatTemplate(template) ? { template: ALPACA_TEMPLATE, chatTemplate: template } : { template }),
    ownChatTemplate: () => loadChatTemplate(parametersOf(run, "read its chat template")),
    scores: { folder: join(run.dir, "scores"), weights: run.record.weights!.sha256 },
    tokens: run.recipe.tokenizer.digest,
    run,
  };
}

function chatTemplateOf({ source }: CausalLM): ChatTemplate {
  if (source !== undefined) return loadChatTemplate(source);
  throw new EvaluationError(
    "The model in memory comes from no directory, and so has no chat template. Load it with loadModel, or set " +
      "chatTemplate to false.",
  );
}
