import { existsSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { livingHolder } from "./claim";
import { makeFolder, readJsonIfAny, writeFileAtomic } from "./files";
import { fromRoot, storePath } from "./paths";
import type { Provenance } from "./provenance";
import { runName, type Recipe } from "./recipe";
import { readSteps, type StepRecord } from "./steps";
import { RunFailedError } from "../data/errors";

/** What run.json holds. */
export interface RunRecord {
  id: string;
  name: string;
  /** the recipe as a sentence */
  description: string;
  recipe: Recipe;
  status: "running" | "complete" | "failed";
  provenance: Provenance;
  /** where model and data were read, relative to the repository for what lies inside */
  source: { model: string; data: string | null };
  /** rows by index: cut by the maximum length, cut to the bare prompt, left out, with an empty output */
  rows: {
    trained: number;
    truncated: number[];
    withoutCompletion: number[];
    dropped: number[];
    emptyCompletions: number[];
  };
  totalSteps: number;
  /** ISO times; a run that was interrupted has several attempts */
  attempts: { started: string; fromStep: number; ended?: string; toStep?: number }[];
  /** seconds in training steps, over all attempts; bytes */
  seconds?: number;
  tokens?: number;
  peakMemory?: number;
  notes: string[];
  /** of model/model.safetensors, once complete */
  weights?: { bytes: number; sha256: string };
  error?: RunFailure;
}

export interface RunFailure {
  message: string;
  /** the step that failed, 1-based */
  step: number;
}

/** A run in the store. `partial`: begun, and nobody is at it; training the same recipe continues it. */
export class Run {
  private steps?: StepRecord[];

  constructor(
    readonly store: RunStore,
    readonly record: RunRecord,
    readonly status: "complete" | "running" | "failed" | "partial",
  ) {}

  get id(): string {
    return this.record.id;
  }
  get dir(): string {
    return this.store.dir(this.id);
  }
  get name(): string {
    return this.record.name;
  }
  get recipe(): Recipe {
    return this.record.recipe;
  }
  get error(): RunFailure | undefined {
    return this.record.error;
  }
  /** Hugging Face directory with the final weights; there once the run is complete. */
  get weightsDir(): string {
    return join(this.dir, "model");
  }
  /** Hugging Face directory of the model before training. */
  get initialDir(): string {
    return fromRoot(this.record.source.model);
  }
  /** One record a step, read when first asked for. */
  get records(): StepRecord[] {
    return (this.steps ??= readSteps(runFiles(this.dir).steps));
  }

  /** The same run under the names that a study uses; names are not part of what identifies it. */
  named(model: string, data: string): Run {
    const recipe = {
      ...this.recipe,
      model: { ...this.recipe.model, name: model },
      data: { ...this.recipe.data, name: data },
    };
    return new Run(this.store, { ...this.record, recipe, name: runName(recipe) }, this.status);
  }
}

/** Where things are in a run's folder. */
export function runFiles(dir: string) {
  return {
    record: join(dir, "run.json"),
    steps: join(dir, "steps.jsonl"),
    model: join(dir, "model"),
    weights: join(dir, "model", "model.safetensors"),
    checkpoint: join(dir, "checkpoint"),
    tensorboard: join(dir, "tensorboard"),
  };
}

/** The folder that holds one directory a run. */
export class RunStore {
  readonly root: string;

  /** @param path default: `PROMPTLOSS_RUNS`, or `runs` */
  constructor(path?: string) {
    this.root = storePath(path);
  }

  dir(id: string): string {
    return join(this.root, id);
  }

  /** The run of that id, or undefined where nothing of it is recorded. */
  get(id: string): Run | undefined {
    const dir = this.dir(id);
    const record = readJsonIfAny(runFiles(dir).record);
    if (!isRunRecord(record) || record.id !== id) return undefined;
    if (record.status !== "running") return new Run(this, record, record.status);
    return new Run(this, record, livingHolder(dir) ? "running" : "partial");
  }

  /** All runs, oldest first. */
  list(): Run[] {
    if (!existsSync(this.root)) return [];
    const runs = readdirSync(this.root)
      .filter((name) => /^[0-9a-f]{16}$/.test(name))
      .flatMap((id) => this.get(id) ?? []);
    const started = (run: Run) => run.record.attempts[0]?.started ?? "";
    return runs.sort((a, b) => (started(a) < started(b) ? -1 : 1));
  }

  /** @throws {StoreError} where the store cannot be written */
  prepare(): void {
    makeFolder(this.root);
    const probe = join(this.root, `.writable-${process.pid}`);
    writeFileAtomic(probe, "");
    rmSync(probe, { force: true });
  }
}

/** Replaces run.json. @throws {StoreError} */
export function writeRunRecord(dir: string, record: RunRecord): void {
  writeFileAtomic(runFiles(dir).record, `${JSON.stringify(record, null, 2)}\n`);
}

/**
 * A complete run whose weights are all there.
 * @throws {RunFailedError} if the run is recorded as failed, or its weights are missing or not as long as they were
 */
export function usableRun(run: Run): Run {
  if (run.status === "failed") {
    throw new RunFailedError(
      `Run ${run.name} failed before: ${run.error?.message ?? "no cause recorded"} ` +
        `The same recipe would fail again; change it, or delete ${run.dir} to try once more.`,
    );
  }
  const { weights } = runFiles(run.dir);
  const bytes = statSync(weights, { throwIfNoEntry: false })?.size;
  if (run.status === "complete" && bytes !== run.record.weights?.bytes) {
    throw new RunFailedError(
      `Run ${run.name} is complete, but ${weights} ${bytes === undefined ? "is missing" : `has ${bytes} bytes`} ` +
        `instead of ${run.record.weights?.bytes}: damaged. Restore the file, or delete ${run.dir} and train again, which gives the same weights.`,
    );
  }
  return run;
}

/** Whether JSON read from a run.json is one. */
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
    typeof record.source?.model === "string"
  );
}
