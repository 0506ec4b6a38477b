import { TRUNCATIONS, type Truncation } from "../data/encode";
import { RunError } from "../data/errors";
import { ALPACA_TEMPLATE, checkTemplate, type PromptTemplate } from "../data/template";
import { checkPromptLossWeight, checkNormalizer, type Normalizer } from "../data/prompt-loss-weight";
import { resolveDataset, type DatasetSource } from "./dataset-source";
import { modelDigest, tokenizerDigest, type DigestCache } from "./digests";
import type { Hyperparameters } from "./hyperparameters";
import { RECIPE_FORMAT, runId, runName, type Recipe } from "./recipe";

/** A wanted run, as a study or a caller names it. */
export interface RunSpec {
  /** `dir`: absolute path of a Hugging Face directory */
  model: { name: string; dir: string };
  dataset: { name: string; source: DatasetSource };
  plw: number;
  normalizer: Normalizer;
  hyperparameters: Hyperparameters;
  seed: number;
  truncation?: Truncation;
  template?: PromptTemplate;
  /** TensorFlow threads; default: what the size of the model calls for, see lib/sweep/plan.ts */
  threads?: number;
}

/** A wanted run with everything its result depends on pinned by digest; plain data, fit to be sent to another process. */
export interface Job {
  id: string;
  name: string;
  recipe: Recipe;
  modelDir: string;
  dataFile: string;
  /** of the model */
  parameters: number;
  /** of text that training reads in all its steps */
  characters: number;
}

/**
 * Reads (or remembers) the digests of what a spec names. Loads no TensorFlow.
 * @throws {PromptlossError} naming the value or file that is wrong
 */
export function resolveJob(
  spec: RunSpec,
  store: string,
  cache: DigestCache,
  environment: { device: "CPU" | "GPU"; threads: number | ((parameters: number) => number) },
): Job {
  checkSpec(spec);
  const { digest, parameters } = modelDigest(spec.model.dir, cache);
  const data = resolveDataset(spec.dataset.source, store, cache);
  const { threads } = environment;
  const recipe: Recipe = {
    format: RECIPE_FORMAT,
    model: { name: spec.model.name, digest },
    data: { name: spec.dataset.name, digest: data.digest, rows: data.rows },
    tokenizer: { digest: tokenizerDigest(spec.model.dir, cache) },
    template: spec.template ?? ALPACA_TEMPLATE,
    truncation: spec.truncation ?? "truncate",
    plw: spec.plw,
    normalizer: spec.normalizer,
    hyperparameters: spec.hyperparameters,
    seed: spec.seed,
    threads: spec.threads ?? (typeof threads === "number" ? threads : threads(parameters)),
    device: environment.device,
  };
  return {
    id: runId(recipe),
    name: runName(recipe),
    recipe,
    modelDir: spec.model.dir,
    dataFile: data.file,
    parameters,
    characters: (data.characters / Math.max(1, data.rows)) * spec.hyperparameters.batchSize * plannedSteps(recipe),
  };
}

/** Optimizer steps of a run, before any row is dropped. */
export function plannedSteps({ hyperparameters: { batchSize, epochs, maxSteps }, data: { rows } }: Recipe): number {
  return maxSteps ?? Math.ceil(rows / batchSize) * epochs;
}

function checkSpec(spec: RunSpec): void {
  const name = `${spec.model.name} · ${spec.dataset.name}`;
  checkPromptLossWeight(spec.plw);
  checkNormalizer(spec.normalizer, `${name}: normalizer`);
  if (!Number.isSafeInteger(spec.seed))
    throw new RunError(`${name}: seed ${JSON.stringify(spec.seed)} is not an integer.`);
  if (spec.truncation !== undefined && !TRUNCATIONS.includes(spec.truncation)) {
    throw new RunError(
      `${name}: truncation ${JSON.stringify(spec.truncation)} is unknown; known: ${TRUNCATIONS.join(", ")}.`,
    );
  }
  if (spec.template) checkTemplate(spec.template);
}
