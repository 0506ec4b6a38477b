import { sha256 } from "../data/digest";
import type { Truncation } from "../data/encode";
import type { PromptTemplate } from "../data/template";
import type { Hyperparameters } from "./hyperparameters";
import type { Normalizer } from "../data/prompt-loss-weight";

/** Raised when the same recipe would give other weights than before: a change of loss, batches, optimizer or encoding. */
export const RECIPE_FORMAT = 4;

/** Everything that decides a run's result, and the names it goes by. */
export interface Recipe {
  format: number;
  /** digest of config.json and weights before training */
  model: { name: string; digest: string };
  data: { name: string; digest: string; rows: number };
  tokenizer: { digest: string };
  template: PromptTemplate;
  truncation: Truncation;
  plw: number;
  normalizer: Normalizer;
  hyperparameters: Hyperparameters;
  seed: number;
  /** of one TensorFlow operation; sums depend on it */
  threads: number;
  device: "CPU" | "GPU";
}

/** The run's name in the store: a hash of the recipe without the names, which decide nothing. */
export function runId(recipe: Recipe): string {
  const { model, data, template, ...rest } = recipe;
  return sha256(
    canonical({
      ...rest,
      model: model.digest,
      data: data.digest,
      template: [template.withInput, template.withoutInput],
    }),
  ).slice(0, 16);
}

/** What people call the run. */
export function runName({
  model,
  data,
  plw,
  normalizer,
  seed,
}: Pick<Recipe, "plw" | "normalizer" | "seed"> & { model: { name: string }; data: { name: string } }): string {
  return `${model.name} · ${data.name} · PLW ${plw} · ${normalizer} · seed ${seed}`;
}

/** The recipe as a sentence for the run's record. */
export function recipeInWords(recipe: Recipe): string {
  const { hyperparameters: h } = recipe;
  const length = h.maxSteps === undefined ? `${h.epochs} epochs` : `${h.maxSteps} steps`;
  return (
    `Model ${recipe.model.name}, fine-tuned on ${recipe.data.rows} rows of ${recipe.data.name} with the template "${recipe.template.name}", ` +
    `prompt loss weight ${recipe.plw}, normalizer "${recipe.normalizer}"; ${length} in batches of ${h.batchSize} (${h.microBatchSize} at a time), ` +
    `at most ${h.maxLength} tokens a row (longer ones: ${recipe.truncation}); AdamW with learning rate ${h.learningRate}, ${h.schedule} schedule, ` +
    `warm-up over ${h.warmupRatio} of the steps, weight decay ${h.weightDecay}, ` +
    `${h.maxGradientNorm === null ? "no gradient clipping" : `gradients clipped at norm ${h.maxGradientNorm}`}; seed ${recipe.seed}; ` +
    `${recipe.device}, ${recipe.threads} thread${recipe.threads === 1 ? "" : "s"}.`
  );
}

/** JSON with sorted keys, so that equal values give equal text. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) =>
    typeof part === "object" && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}
