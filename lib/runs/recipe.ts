import { sha256 } from "../data/digest";
import type { Truncation } from "../data/encode";
import type { Turns } from "../data/loss-weighting";
import { partWeightsLabel, weightingLabels, type PartWeights } from "../data/part-weights";
import { isChatTemplate, type RowTemplate } from "../data/row-template";
import type { AdapterSettings } from "../model/adapter";
import type { Hyperparameters } from "./hyperparameters";
import type { Normalizer } from "../data/normalizer";

/**
 * Format of recipes; raised whenever a change of loss, batches, optimizer, schedule or encoding makes the same recipe
 * give other weights. Another rounding does not count: it depends on the processor, too, and a run's record names the
 * operations.
 */
export const RECIPE_FORMAT = 4;

/** Everything that decides a run's result, with display names for model, data set and template. */
export interface Recipe {
  format: number;
  /** digest of config.json and weights before training */
  model: { name: string; digest: string };
  data: { name: string; digest: string; rows: number };
  tokenizer: { digest: string };
  /** of conversations: the chat template, with the special tokens that it names */
  template: RowTemplate;
  truncation: Truncation;
  /** present and true if rows that lose their whole completion are left out */
  dropEmpty?: true;
  plw: number;
  /** weight of the completion, λr; absent if 1 */
  completionWeight?: number;
  /** weights of parts; absent if no part has one */
  partWeights?: PartWeights;
  /** absent if "all" */
  turns?: Turns;
  normalizer: Normalizer;
  hyperparameters: Hyperparameters;
  /** display name of the set of hyperparameters, if a study has several */
  variant?: string;
  seed: number;
  /** threads of one TensorFlow operation; the order of sums depends on them */
  threads: number;
  device: "CPU" | "GPU";
}

/**
 * Id of a run: 16 hexadecimal digits of the recipe's SHA-256, without display names, which do not affect the result.
 */
export function runId(recipe: Recipe): string {
  const { model, data, template } = recipe;
  return sha256(
    canonical({
      ...recipe,
      variant: undefined,
      model: model.digest,
      data: data.digest,
      template: isChatTemplate(template)
        ? { ...template, name: undefined, jinja: sha256(template.jinja) }
        : [template.withInput, template.withoutInput],
    }),
  ).slice(0, 16);
}

/**
 * Display name of a run: model, data set, PLW, the other weights that are not at their defaults, normalizer, variant if
 * there are several, and seed.
 */
export function runName({
  model,
  data,
  plw,
  normalizer,
  variant,
  seed,
  ...weights
}: Pick<Recipe, "plw" | "completionWeight" | "partWeights" | "turns" | "normalizer" | "variant" | "seed"> & {
  model: { name: string };
  data: { name: string };
}): string {
  return [
    model.name,
    data.name,
    `PLW ${plw}`,
    ...weightingLabels(weights),
    normalizer,
    ...(variant === undefined ? [] : [variant]),
    `seed ${seed}`,
  ].join(" · ");
}

/** The recipe as one sentence, for the run's record and its model card. */
export function recipeInWords(recipe: Recipe): string {
  const { hyperparameters: h } = recipe;
  const length = h.maxSteps === undefined ? `${h.epochs} epochs` : `${h.maxSteps} steps`;
  return (
    `Model ${recipe.model.name}, fine-tuned on ${recipe.data.rows} rows of ${recipe.data.name} ` +
    `with the ${isChatTemplate(recipe.template) ? "chat template" : "template"} "${recipe.template.name}", ` +
    `prompt loss weight ${recipe.plw}, ${otherWeightsInWords(recipe)}normalizer "${recipe.normalizer}"; ` +
    `${length} in batches of ${h.batchSize} (${h.microBatchSize} at a time), ` +
    `at most ${h.maxLength} tokens per row (longer rows: ${recipe.truncation}` +
    `${recipe.dropEmpty ? ", left out if no completion remains" : ""}); ` +
    `AdamW with learning rate ${h.learningRate}, ${h.schedule} schedule, ` +
    `warm-up over ${h.warmupRatio} of the steps, weight decay ${h.weightDecay}, ` +
    `${h.maxGradientNorm === null ? "no gradient clipping" : `gradients clipped at norm ${h.maxGradientNorm}`}; ` +
    `${h.adapter ? `${adapterInWords(h.adapter)}; ` : ""}` +
    `seed ${recipe.seed}; ` +
    `${h.precision === undefined ? "" : `matrix products in ${h.precision === "tf32" ? "TF32" : h.precision}; `}` +
    `${h.deterministic ? "deterministic operations; " : ""}` +
    `${recipe.device}, ${recipe.threads} thread${recipe.threads === 1 ? "" : "s"}.`
  );
}

function otherWeightsInWords({ completionWeight, partWeights = {}, turns }: Recipe): string {
  const parts = partWeightsLabel(partWeights);
  return [
    ...(completionWeight === undefined ? [] : [`completion weight ${completionWeight}`]),
    ...(parts === "" ? [] : [`weights of parts: ${parts}`]),
    ...(turns === "last" ? ["of several answers only the last counts as completion"] : []),
  ]
    .map((words) => `${words}, `)
    .join("");
}

function adapterInWords({ rank, alpha, targets, dropout, rsLora }: AdapterSettings): string {
  const where = targets === "all-linear" ? "all linear layers" : targets.join(", ");
  return (
    `an adapter (LoRA) of rank ${rank} on ${where}, scaled by ${alpha} / ${rsLora ? `√${rank}` : rank}, ` +
    `${dropout === 0 ? "no dropout" : `dropout ${dropout}`}, all other parameters frozen`
  );
}

/** JSON with sorted keys: equal values give equal text. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) =>
    typeof part === "object" && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}
