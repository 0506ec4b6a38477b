import { existsSync, readdirSync, rmSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { livingHolder } from "./claim";
import { makeFolder, readJsonIfAny, writeFileAtomic } from "./files";
import { fromRoot, storePath } from "./paths";
import type { Provenance } from "./provenance";
import { runName, type Recipe } from "./recipe";
import { readSteps, type StepRecord } from "./steps";
import { ADAPTER_CONFIG } from "../data/adapter-base";
import { RunError, RunFailedError } from "../data/errors";
import { ADAPTER_WEIGHTS } from "../model/adapter-files";
import { isObject } from "../data/validate";

// States of a run, and who changes them. Only the process that holds the run's claim (claim.ts) writes into its folder,
// and it renews the claim before each write. The status of run.json is "running" in the three states in the middle.
//
//   absent    no folder, or no valid run.json
//     → running    by the process that claims it: it reads all that the run needs, also at its end
//   running   a live process holds the claim; steps are appended, checkpoints replaced (lib/train/checkpoint.ts)
//     → partial    the process is killed, or told to stop and writes a checkpoint
//     → lost       its claim is taken over while it is suspended: it writes nothing more, the other process goes on
//     → failed     a loss is not finite: the checkpoint is removed; or the device's memory ran out: it is kept
//     → complete   model/ is whole: written as model.part/, flushed, renamed, then recorded with the size of each file
//   partial   nobody holds the claim
//     → running    by the next process that claims it, from the checkpoint, or from the start without one that is whole
//   failed    for ever, since the same recipe would fail again; after running out of memory, until run.json is deleted
//   complete  for ever; the results in scores/ have a claim of their own, since they come later
//     → pruned     by the process that holds both claims: first recorded, then the parameters are removed (prune.ts)

/** Content of a run's run.json. */
export interface RunRecord {
  /** 16 hexadecimal digits, derived from the recipe without its display names */
  id: string;
  /** display name */
  name: string;
  /** the recipe as a sentence */
  description: string;
  recipe: Recipe;
  status: "running" | "complete" | "failed";
  provenance: Provenance;
  /** paths that the model and data were read from, relative to the repository root if inside it */
  source: { model: string; data: string | null };
  /** number of rows trained on, and indices (0-based) of rows that were changed or dropped */
  rows: {
    trained: number;
    /** shortened to the maximum length */
    truncated: number[];
    /** truncated so far that only prompt tokens remain */
    withoutCompletion: number[];
    /** not trained on */
    dropped: number[];
    /** with an empty output */
    emptyCompletions: number[];
    /** with a beginning- or end-of-sequence token twice in succession; absent in records of older versions */
    doubledSpecialTokens?: number[];
  };
  totalSteps: number;
  /** ISO 8601 times, and the operations as in the provenance; an interrupted run has more than one attempt */
  attempts: { started: string; fromStep: number; operations?: string; ended?: string; toStep?: number }[];
  /** time spent in training steps, summed over all attempts */
  seconds?: number;
  /** tokens trained on, without padding */
  tokens?: number;
  /** bytes */
  peakMemory?: number;
  notes: string[];
  /** sizes in bytes of the files in model/ by name, once the run is complete; absent in records of older versions */
  files?: Record<string, number>;
  /** size and digest of the tensors in model/, of the model or of its adapter, once the run is complete */
  weights?: { bytes: number; sha256: string };
  /** present once the parameters were deleted; `weights` still describes them */
  pruned?: Pruned;
  error?: RunFailure;
}

/** Deletion of a run's parameters. */
export interface Pruned {
  /** ISO 8601 time */
  at: string;
  /** size of the deleted files: the final parameters, and checkpoints if there were any */
  bytes: number;
}

/** Why a run failed. */
export interface RunFailure {
  message: string;
  /** the step that failed, 1-based */
  step: number;
  /** present and true if the device's memory did not suffice; the last checkpoint is then kept */
  outOfMemory?: true;
}

/** The names by which a study calls a run's model, data set and variant. */
export interface RunNames {
  model: { name: string };
  data: { name: string };
  variant?: string;
}

/** A run in the store: its record, status and files. */
export class Run {
  private steps?: StepRecord[];

  /**
   * @param status `partial`: started, but no process is training it; training the same recipe continues it
   */
  constructor(
    readonly store: RunStore,
    readonly record: RunRecord,
    readonly status: "complete" | "running" | "failed" | "partial",
  ) {}

  /** 16 hexadecimal digits, also the name of the run's folder. */
  get id(): string {
    return this.record.id;
  }
  /** The run's folder, an absolute path. */
  get dir(): string {
    return this.store.dir(this.id);
  }
  /** Display name: model, dataset, weights, normalizer, variant and seed. */
  get name(): string {
    return this.record.name;
  }
  /** Everything that determines the result. */
  get recipe(): Recipe {
    return this.record.recipe;
  }
  /** Cause of the failure, if the run failed. */
  get error(): RunFailure | undefined {
    return this.record.error;
  }
  /**
   * The deletion of the final parameters, see `pruneRuns`; undefined while they are there. Known even if it happened
   * after this run was read.
   */
  get pruned(): Pruned | undefined {
    if (this.record.pruned || this.status !== "complete" || existsSync(weightsOf(this.record, this.dir)))
      return this.record.pruned;
    return this.store.get(this.id)?.record.pruned;
  }
  /**
   * Hugging Face directory with the final parameters, or with the adapter, as PEFT writes it; exists once the run is complete.
   * @throws {RunError} if the parameters were deleted, see `pruneRuns`
   */
  get weightsDir(): string {
    return parametersOf(this, "load its final model");
  }
  /** Directory with the final model's configuration and tokenizer; stays when the parameters are deleted. */
  get tokenizerDir(): string {
    return runFiles(this.dir).model;
  }
  /** Hugging Face directory of the model before training. */
  get initialDir(): string {
    return fromRoot(this.record.source.model);
  }
  /** One record per optimizer step, read from disk at the first access. */
  get records(): StepRecord[] {
    return (this.steps ??= readSteps(runFiles(this.dir).steps));
  }

  /**
   * Returns the same run under the display names that a study uses for model, dataset and variant. They do not affect
   * its id.
   * @param names for example the recipe that a study resolved
   */
  named({ model, data, variant }: RunNames): Run {
    const recipe: Recipe = {
      ...this.recipe,
      model: { ...this.recipe.model, name: model.name },
      data: { ...this.recipe.data, name: data.name },
    };
    if (variant === undefined) delete recipe.variant;
    else recipe.variant = variant;
    return new Run(this.store, { ...this.record, recipe, name: runName(recipe) }, this.status);
  }
}

/**
 * Returns the paths of the files and folders in a run's folder.
 * @param dir the run's folder
 */
export function runFiles(dir: string) {
  return {
    record: join(dir, "run.json"),
    steps: join(dir, "steps.jsonl"),
    model: join(dir, "model"),
    /** of a model all of whose parameters were trained; see {@link weightsOf} */
    weights: join(dir, "model", "model.safetensors"),
    checkpoint: join(dir, "checkpoint"),
    tensorboard: join(dir, "tensorboard"),
  };
}

/** Path of the parameters that a run trained: those of the model, or of its adapter. */
export const weightsOf = ({ recipe }: Pick<RunRecord, "recipe">, dir: string): string =>
  recipe.hyperparameters?.adapter ? join(runFiles(dir).model, ADAPTER_WEIGHTS) : runFiles(dir).weights;

/** The run store: a folder with one subfolder per run, named by the run's id. */
export class RunStore {
  /** absolute path */
  readonly root: string;

  /**
   * @param path default: the environment variable `PROMPTLOSS_RUNS`, or `runs`; relative to the repository root
   */
  constructor(path?: string) {
    this.root = storePath(path);
  }

  /** Returns the folder of a run, whether or not it exists. */
  dir(id: string): string {
    return join(this.root, id);
  }

  /**
   * Reads a run.
   * @returns undefined if the store has no valid record of it
   */
  get(id: string): Run | undefined {
    const dir = this.dir(id);
    const record = readJsonIfAny(runFiles(dir).record);
    if (!isRunRecord(record) || record.id !== id) return undefined;
    if (record.status !== "running") return new Run(this, record, record.status);
    return new Run(this, record, livingHolder(dir) ? "running" : "partial");
  }

  /** Lists all runs, oldest first. */
  list(): Run[] {
    if (!existsSync(this.root)) return [];
    const runs = readdirSync(this.root)
      .filter((name) => /^[0-9a-f]{16}$/.test(name))
      .flatMap((id) => this.get(id) ?? []);
    const started = (run: Run) => run.record.attempts[0]?.started ?? "";
    return runs.sort((a, b) => (started(a) < started(b) ? -1 : 1));
  }

  /**
   * Creates the store's folder if necessary, and checks that it can be written.
   * @throws {StoreError} if it cannot
   */
  prepare(): void {
    makeFolder(this.root);
    const probe = join(this.root, `.writable-${process.pid}`);
    writeFileAtomic(probe, "");
    rmSync(probe, { force: true });
  }
}

/**
 * Replaces run.json.
 * @param dir the run's folder
 * @throws {StoreError} if the file cannot be written
 */
export function writeRunRecord(dir: string, record: RunRecord): void {
  writeFileAtomic(runFiles(dir).record, `${JSON.stringify(record, null, 2)}\n`);
}

/**
 * Checks that a run did not fail, and that every file of a complete run's model is there in its recorded size. A run
 * that is not complete yet is accepted, and a pruned one without its parameters.
 * @returns the same run
 * @throws {RunFailedError} if the run is recorded as failed, or a file of its model is missing or has another size
 */
export function usableRun(run: Run): Run {
  if (run.status === "failed") {
    const advice = run.error?.outOfMemory
      ? "" // its message says how to go on
      : ` The same recipe would fail again; change it, or delete ${run.dir} to try once more.`;
    throw new RunFailedError(`Run ${run.name} failed before: ${run.error?.message ?? "no cause recorded"}${advice}`);
  }
  if (run.status !== "complete") return run;
  const { model } = runFiles(run.dir);
  const { pruned } = run;
  const files = run.record.files ?? { [basename(weightsOf(run.record, run.dir))]: run.record.weights?.bytes };
  for (const [name, expected] of Object.entries(files)) {
    if (pruned && name.endsWith(".safetensors")) continue;
    const file = join(model, name);
    const bytes = statSync(file, { throwIfNoEntry: false })?.size;
    // The settings of an adapter name its base, which may move; reading them checks them, and the base's digest.
    if (bytes === expected || (bytes !== undefined && name === ADAPTER_CONFIG)) continue;
    throw new RunFailedError(
      `Run ${run.name} is complete, but ${file} is damaged: ` +
        (bytes === undefined ? "it is missing. " : `it has ${bytes} bytes instead of ${expected}. `) +
        `Restore the file, or delete ${run.dir} and train again, which reproduces the same parameters.`,
    );
  }
  return run;
}

/**
 * Returns the Hugging Face directory with a run's final parameters.
 * @param purpose what they are needed for; completes "they are needed to …"
 * @throws {RunError} if the run was pruned
 */
export function parametersOf(run: Run, purpose: string): string {
  const { pruned } = run;
  if (!pruned) return runFiles(run.dir).model;
  throw new RunError(
    `The parameters of run ${run.name} were deleted on ${pruned.at.slice(0, 10)} to save space, and they are ` +
      `needed to ${purpose}. Its stored scores, answers and distances can still be used. To get the parameters back, ` +
      `delete ${run.dir} and train the run again: the same recipe gives the same parameters.`,
  );
}

/** Checks whether a value parsed from a run.json has the fields that the store and the analyses rely on. */
export function isRunRecord(value: unknown): value is RunRecord {
  const record = value as RunRecord | undefined;
  return (
    typeof record === "object" &&
    record !== null &&
    typeof record.id === "string" &&
    typeof record.name === "string" &&
    ["running", "complete", "failed"].includes(record.status) &&
    typeof record.recipe?.plw === "number" &&
    typeof record.recipe.model?.name === "string" &&
    typeof record.recipe.data?.name === "string" &&
    Array.isArray(record.attempts) &&
    (record.files === undefined || (isObject(record.files) && Object.keys(record.files).every(isFileName))) &&
    typeof record.source?.model === "string"
  );
}

/** Whether a name from a record stays in its folder. */
const isFileName = (name: string): boolean => basename(name) === name && name !== "." && name !== "..";
