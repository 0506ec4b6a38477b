import "../model/environment";
import { basename } from "node:path";
import { TRUNCATIONS } from "../data/encode";
import { completionWeightSchema, TURNS } from "../data/loss-weighting";
import { NORMALIZERS } from "../data/normalizer";
import { plwSchema } from "../data/prompt-loss-weight";
import { parseJson } from "../data/read-json";
import { areConversations } from "../data/rows";
import { integer, validated } from "../data/validate";
import { DigestCache, modelDigest } from "../runs/digests";
import { storePath } from "../runs/paths";
import type { Run } from "../runs/store";
import { setArithmetic } from "../model/arithmetic";
import { expectedDevice } from "../model/gpu";
import { threadsFor } from "../workers/plan";
import { otherWeightsOf, studyRows, variantsOf, type Study } from "../sweep/study";
import { loadStudy } from "../sweep/study-file";
import type { TrainOptions } from "../train/train";
import {
  arithmeticOf,
  completeHyperparameters,
  recipeHyperparameters,
  someHyperparametersSchema,
  type Hyperparameters,
} from "../runs/hyperparameters";
import { say } from "./terminal";
import {
  UsageError,
  nameOf,
  numberOf,
  partWeightsOf,
  pathOf,
  required,
  requiredPath,
  type Answer,
  type Values,
} from "./values";

export async function run(values: Values, signal: AbortSignal): Promise<Answer> {
  const { threads, ...wanted } = values.data === undefined ? fromStudy(values) : fromFiles(values);
  const options: TrainOptions = {
    ...wanted,
    plw: numberOf({ plw: required(values, "plw") }, "plw", plwSchema)!,
    ...given({
      completionWeight: numberOf(values, "completion-weight", completionWeightSchema),
      partWeights: partWeightsOf(values),
      turns: nameOf(values, "turns", TURNS),
      normalizer: nameOf(values, "normalizer", NORMALIZERS),
      seed: numberOf(values, "seed", integer),
      truncation: nameOf(values, "truncation", TRUNCATIONS),
    }),
    store: pathOf(values, "store"),
    signal,
    onNote: say,
    onStep: ({ step, loss, tokens, seconds }, totalSteps) => {
      say(`step ${step}/${totalSteps}: loss ${loss.toFixed(4)}, ${Math.round(tokens / seconds)} tokens/s`);
    },
  };
  // The thread count is part of a run's recipe: take the one that a sweep would. It must be set before TensorFlow
  // loads.
  const { parameters } = modelDigest(options.model, new DigestCache(storePath(options.store)));
  process.env.TF_NUM_INTRAOP_THREADS ??= String(threads ?? threadsFor(parameters, expectedDevice()));
  process.env.TF_NUM_INTEROP_THREADS ??= "1";
  process.env.OMP_NUM_THREADS ??= process.env.TF_NUM_INTRAOP_THREADS;
  const hyperparameters = completeHyperparameters(options.hyperparameters ?? {});
  setArithmetic(arithmeticOf(recipeHyperparameters(hyperparameters, expectedDevice(), "train")));
  const { train } = await import("../train/train");
  return describe(await train(options));
}

/** Options of `train`, and TensorFlow threads if the study names their number. */
type Wanted = Omit<TrainOptions, "plw"> & Pick<Study, "threads">;

function fromFiles(values: Values): Wanted {
  if (values.variant !== undefined)
    throw new UsageError("--variant: names one of a study's; it does not go with --data.");
  const model = requiredPath(values, "model");
  return {
    model,
    modelName: basename(model),
    examples: requiredPath(values, "data"),
    dataset: values.dataset,
    hyperparameters: hyperparameters(values),
  };
}

function fromStudy(values: Values): Wanted {
  const study = loadStudy(pathOf(values, "study"));
  const modelName = required(values, "model");
  const dataset = required(values, "dataset");
  const model = Object.hasOwn(study.models, modelName) ? study.models[modelName] : undefined;
  if (model === undefined)
    throw new UsageError(
      `--model: study ${study.name} has no model ${JSON.stringify(modelName)}; ` +
        `its models are ${Object.keys(study.models).join(", ")}.`,
    );
  const examples = studyRows(study, dataset);
  return {
    model,
    modelName,
    dataset,
    examples,
    ...otherWeightsOf(study)[0],
    turns: study.turns,
    normalizer: study.normalizers[0],
    seed: study.seeds[0],
    truncation: study.truncation,
    dropEmpty: study.dropEmpty,
    template: areConversations(examples) ? study.chatTemplate : study.template,
    threads: study.threads,
    hyperparameters: { ...ofVariant(study, values.variant), ...hyperparameters(values) },
  };
}

/** The hyperparameters of a study's variant, by default the first; those of the study if it has no variants. */
function ofVariant(study: Study, name: string | undefined): Hyperparameters {
  const sets = variantsOf(study);
  const set = name === undefined ? sets[0] : sets.find(({ variant }) => variant === name);
  if (set) return set.hyperparameters;
  const known = Object.keys(study.variants ?? {}).join(", ");
  throw new UsageError(
    `--variant: study ${study.name} has no variant ${JSON.stringify(name)}; its variants: ${known || "none"}.`,
  );
}

function hyperparameters(values: Values): Partial<Hyperparameters> {
  const given = parseJson(values.hyperparameters ?? "{}", "--hyperparameters");
  return validated(someHyperparametersSchema, given, "--hyperparameters", UsageError);
}

/** The options that were given: those that are not undefined. */
function given<T extends object>(options: T): { [Key in keyof T]?: Exclude<T[Key], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as never;
}

function describe(run: Run): Answer {
  const last = run.records.at(-1);
  const { rows, seconds, tokens } = run.record;
  const doubled = rows.doubledSpecialTokens?.length ?? 0;
  const result = {
    id: run.id,
    name: run.name,
    dir: run.dir,
    weights: run.pruned ? null : run.weightsDir,
    status: run.status,
    steps: run.records.length,
    seconds,
    tokens,
    loss: last?.loss ?? null,
    promptLoss: last?.promptLoss ?? null,
    completionLoss: last?.completionLoss ?? null,
    truncatedRows: rows.truncated.length,
    rowsWithoutCompletion: rows.withoutCompletion.length,
    rowsWithDoubledSpecialTokens: doubled,
  };
  const cut =
    rows.truncated.length === 0
      ? ""
      : `; ${rows.truncated.length} rows cut by the maximum length, ` +
        `${rows.withoutCompletion.length} of them down to the prompt`;
  const twice =
    doubled === 0
      ? ""
      : `; ${doubled} rows with a beginning- or end-of-sequence token twice in succession: the template or a text ` +
        "holds the one that the tokenizer adds";
  return {
    text: `${run.name}: ${result.steps} steps, last loss ${result.loss?.toFixed(4) ?? "none"}${cut}${twice}\n${run.dir}`,
    result,
  };
}
