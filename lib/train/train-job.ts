import { readdirSync, renameSync, rmSync, rmdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { EncodedDataset } from "../data/encode";
import { ModelError, OutOfMemoryError, RunError, TrainingError, Interrupted } from "../data/errors";
import { formatBytes } from "../data/format-bytes";
import { lossWeightingOf } from "../data/loss-weighting";
import { isChatTemplate, type RowTemplate } from "../data/row-template";
import { arithmeticProblem, onDevice } from "../model/arithmetic";
import { loadModel, type CausalLM } from "../model/causal-lm";
import { CHAT_TEMPLATE, readTokenizerCopy, type TokenizerCopy } from "../model/directory";
import { operationsInWords } from "../model/fused";
import { gpuHardware } from "../model/gpu-hardware";
import { isOutOfMemory, takePeakDeviceMemory } from "../model/memory";
import { device, loadedArithmetic, threads } from "../model/tensorflow";
import { claimRun, type Claim } from "../runs/claim";
import { DigestCache, fileDigest, modelDigest } from "../runs/digests";
import { readJsonIfAny, syncPath, writing } from "../runs/files";
import { arithmeticOf } from "../runs/hyperparameters";
import type { Job } from "../runs/job";
import { toRoot } from "../runs/paths";
import { provenance } from "../runs/provenance";
import { recipeInWords, type Recipe } from "../runs/recipe";
import { StepWriter, readSteps, type StepRecord } from "../runs/steps";
import {
  isRunRecord,
  runFiles,
  usableRun,
  weightsOf,
  writeRunRecord,
  type Run,
  type RunRecord,
  type RunStore,
} from "../runs/store";
import { readCheckpoint, writeCheckpoint, type CheckpointInterval } from "./checkpoint";
import { encodeJob } from "./encode-job";
import { TensorBoardWriter } from "./tensorboard";
import { Trainer } from "./trainer";

/** Options of {@link trainJob}. */
export interface JobOptions {
  /** stops training within one step, with a checkpoint written */
  signal?: AbortSignal;
  /** called after each optimizer step */
  onStep?: (record: StepRecord, totalSteps: number) => void;
  /** called with each note for the run's record, such as a damaged checkpoint */
  onNote?: (note: string) => void;
  /** default: every 30 s */
  checkpointEvery?: CheckpointInterval;
  /** encodes the job's rows; default {@link encodeJob}. A worker passes a function that caches datasets. */
  encode?: (job: Job) => EncodedDataset;
}

/** Maximum share of the training time that checkpoints at an interval in seconds may take. */
const CHECKPOINT_SHARE = 0.02;

/**
 * Trains the run of a job whose recipe is complete, or continues it from its last checkpoint. A run that is already
 * complete is returned as it is.
 *
 * @returns the complete run, named as the job names its model and dataset
 * @throws {DataError | ModelError | StoreError} if a file or value is invalid, or changed since the job was resolved
 * @throws {RunError} if this process's device, thread count or precision differs from the recipe
 * @throws {RunFailedError} if the run is recorded as failed, or its model file is damaged
 * @throws {TrainingError} if the loss or its gradient is not finite; the run is then recorded as failed
 * @throws {OutOfMemoryError} if the device's memory does not suffice for a step; the run is then recorded as failed, and
 *   its last checkpoint is kept
 * @throws {RunHeldError} if another process is training this run
 * @throws {Interrupted} after `signal`, with a checkpoint written
 */
export async function trainJob(job: Job, store: RunStore, options: JobOptions = {}): Promise<Run> {
  const existing = store.get(job.id);
  if (hasEnded(existing)) return finished(existing, job);
  const here = { device: device().kind, threads: threads() };
  if (!computesAs(job.recipe, here)) {
    throw new RunError(
      `Run ${job.name} requires ${job.recipe.device} and ${job.recipe.threads} threads, but this process computes on ` +
        `${here.device} with ${here.threads}. Set TF_NUM_INTRAOP_THREADS before TensorFlow loads, or use sweep().`,
    );
  }
  const loaded = onDevice(loadedArithmetic(), job.recipe.device);
  const problem = arithmeticProblem(arithmeticOf(job.recipe.hyperparameters), loaded);
  if (problem !== undefined) throw new RunError(`Run ${job.name}: ${problem}`);
  const dir = store.dir(job.id);
  const claim = await claimRun(dir, job.name);
  try {
    const current = store.get(job.id); // another process may have finished it before this one held the claim
    if (hasEnded(current)) return finished(current, job);
    await new Attempt(job, store, claim, options).run();
  } finally {
    claim.release();
    removeIfEmpty(dir);
  }
  return finished(store.get(job.id)!, job);
}

type Place = Pick<Recipe, "device" | "threads">;

/** Whether a process computes a recipe's results. The threads of the CPU change none that a GPU computes. */
export const computesAs = (recipe: Place, here: Place): boolean =>
  recipe.device === here.device && (here.device === "GPU" || recipe.threads === here.threads);

const hasEnded = (run: Run | undefined): run is Run => run?.status === "complete" || run?.status === "failed";

/** The run under the job's names. @throws {RunFailedError} if it failed, or its model file is damaged */
const finished = (run: Run, { recipe }: Job) => usableRun(run).named(recipe);

/** One attempt at training a claimed run, from its start or its last checkpoint. */
class Attempt {
  private readonly dir: string;
  private readonly files: ReturnType<typeof runFiles>;
  private model?: CausalLM;
  private trainer?: Trainer;
  private steps?: StepWriter;
  private board?: TensorBoardWriter;
  private record!: RunRecord;
  /** tokenizer files of the initial model, as they were at the start */
  private tokenizer!: TokenizerCopy;
  /** `at`: when it was written; `cost`: how long that took; in milliseconds of a clock that is never set */
  private lastCheckpoint = { step: 0, at: performance.now(), cost: 0 };

  constructor(
    private readonly job: Job,
    private readonly store: RunStore,
    private readonly claim: Claim,
    private readonly options: JobOptions,
  ) {
    this.dir = store.dir(job.id);
    this.files = runFiles(this.dir);
  }

  async run(): Promise<void> {
    try {
      this.beginWithinMemory();
      await this.loop();
      this.complete();
    } catch (error) {
      if (!(error instanceof TrainingError && this.record)) throw error;
      const explained = error instanceof OutOfMemoryError ? this.withTheWayOn(error) : error;
      this.fail(explained);
      throw explained;
    } finally {
      this.close();
    }
  }

  /** Begins. @throws {OutOfMemoryError} if the parameters and moments alone need more memory than the device has */
  private beginWithinMemory(): void {
    try {
      this.begin();
    } catch (error) {
      if (!isOutOfMemory(error)) throw error;
      const { parameters, name, recipe } = this.job;
      const values = recipe.hyperparameters.adapter
        ? `it needs ${formatBytes(4 * parameters)}, and the adapter and activations besides`
        : `with gradients and AdamW's two moments it needs ${formatBytes(16 * parameters)}, and activations besides`;
      throw new OutOfMemoryError(
        `Run ${name}: the memory of the ${device().kind} does not hold the model of ${parameters} parameters: ` +
          `${values}. Free memory, ` +
          "use fewer workers on the device, or use a device with more memory.",
        { cause: error },
      );
    }
  }

  private begin(): void {
    const { job, files, options } = this;
    removeLeftovers(this.dir);
    const data = (options.encode ?? encodeJob)(job);
    takePeakDeviceMemory(); // of the run before, in the same process
    this.model = loadModel(job.modelDir);
    this.tokenizer = readTokenizerCopy(job.modelDir);
    if (modelDigest(job.modelDir, new DigestCache(this.store.root)).digest !== job.recipe.model.digest) {
      throw new ModelError(
        `${job.modelDir}: the model changed after the run was requested. Request it again to train the current model.`,
      );
    }
    const { normalizer, hyperparameters, seed } = job.recipe;
    const trainer = (this.trainer = new Trainer(this.model, data, {
      ...lossWeightingOf(job.recipe),
      normalizer,
      hyperparameters: { ...hyperparameters, recompute: job.recompute },
      seed,
    }));

    const notes: string[] = [];
    const note = (text: string) => {
      notes.push(text);
      options.onNote?.(text);
    };
    const done = this.restore(note);
    const earlier = previousRecord(files.record, job.id);
    // The checkpoint is of the last attempt that began before its step.
    const writer = earlier?.attempts.filter(({ fromStep }) => fromStep < trainer.stepsDone).at(-1);
    const before = writer && (writer.operations ?? earlier!.provenance.operations);
    if (before && before !== operationsInWords)
      note(
        `Step ${trainer.stepsDone}: the operations are "${operationsInWords}" from here on and were "${before}" before, ` +
          "so that weights differ in rounding from those of a run that was not interrupted.",
      );
    this.record = {
      id: job.id,
      name: job.name,
      description: recipeInWords(job.recipe),
      recipe: job.recipe,
      status: "running",
      provenance: provenance({
        tensorflow: device().tensorflow,
        operations: operationsInWords,
        device: device().kind,
        threads: threads(),
        ...(device().kind === "GPU" && {
          gpu: { ...gpuHardware(), ...onDevice(loadedArithmetic(), "GPU") },
        }),
      }),
      source: { model: toRoot(job.modelDir), data: toRoot(job.dataFile) },
      rows: {
        trained: data.examples.length,
        truncated: data.truncated,
        withoutCompletion: data.withoutCompletion,
        dropped: data.dropped,
        emptyCompletions: data.emptyCompletions,
        doubledSpecialTokens: data.doubledSpecialTokens,
      },
      totalSteps: trainer.totalSteps,
      attempts: [
        ...(earlier?.attempts ?? []),
        { started: new Date().toISOString(), fromStep: trainer.stepsDone, operations: operationsInWords },
      ],
      notes: [...(earlier?.notes ?? []), ...notes],
    };
    this.writeRecord();
    this.steps = new StepWriter(files.steps, done);
    this.board = writing(files.tensorboard, () => new TensorBoardWriter(files.tensorboard, done));
    this.lastCheckpoint = { step: trainer.stepsDone, at: performance.now(), cost: 0 };
  }

  /** Restores the checkpoint if there is a valid one; returns the records of the steps before it. */
  private restore(note: (text: string) => void): StepRecord[] {
    const records = readSteps(this.files.steps);
    const checkpoint = readCheckpoint(this.files.checkpoint, records, (message) =>
      note(`${new Date().toISOString()}: ${message}`),
    );
    if (!checkpoint) return [];
    this.trainer!.restore(checkpoint.tensors, checkpoint.step);
    return records.slice(0, checkpoint.step);
  }

  private async loop(): Promise<void> {
    const { signal, onStep } = this.options;
    const trainer = this.trainer!;
    while (trainer.stepsDone < trainer.totalSteps) {
      await nextTurn(); // lets Node handle signals, messages and the claim's heartbeat
      if (signal?.aborted) this.interrupt();
      this.claim.renew();
      const record = trainer.step();
      this.steps!.append(record);
      this.board!.append(record);
      onStep?.(record, trainer.totalSteps);
      if (this.checkpointIsDue()) this.checkpoint();
    }
  }

  private checkpointIsDue(): boolean {
    const { step, at, cost } = this.lastCheckpoint; // times in milliseconds
    const every = this.options.checkpointEvery ?? { seconds: 30 };
    if ("steps" in every) return this.trainer!.stepsDone - step >= every.steps;
    return performance.now() - at >= Math.max(every.seconds * 1000, cost / CHECKPOINT_SHARE);
  }

  private checkpoint(): void {
    const trainer = this.trainer!;
    if (trainer.stepsDone === this.lastCheckpoint.step) return;
    const started = performance.now();
    this.claim.renew();
    this.steps!.flush();
    const checkpoint = { step: trainer.stepsDone, tensors: trainer.state() };
    writeCheckpoint(this.files.checkpoint, checkpoint, this.steps!.digest);
    const at = performance.now();
    this.lastCheckpoint = { step: trainer.stepsDone, at, cost: at - started };
  }

  private interrupt(): never {
    this.checkpoint();
    this.endAttempt();
    const { stepsDone, totalSteps } = this.trainer!;
    throw new Interrupted(
      `Run ${this.job.name} was stopped after step ${stepsDone} of ${totalSteps}; a checkpoint is in ${this.dir}. ` +
        "The same call continues from there.",
    );
  }

  /** Writes the trained model, or its adapter alone. */
  private saveModel(dir: string): void {
    const { modelDir, recipe } = this.job;
    const tokenizer = withTemplate(this.tokenizer, recipe.template);
    if (!this.model!.isFrozen) return this.model!.save(dir, tokenizer);
    this.model!.saveAdapter(dir, { path: toRoot(modelDir), digest: recipe.model.digest }, tokenizer);
  }

  private complete(): void {
    const { files, record } = this;
    this.claim.renew();
    this.steps!.flush();
    const partial = join(this.dir, "model.part");
    writing(partial, () => {
      this.saveModel(partial);
      for (const name of readdirSync(partial)) syncPath(join(partial, name));
      syncPath(partial);
    });
    this.claim.renew(); // writing a large model takes minutes
    writing(files.model, () => {
      rmSync(files.model, { recursive: true, force: true });
      renameSync(partial, files.model);
    });
    const records = readSteps(files.steps);
    record.seconds = records.reduce((sum, { seconds }) => sum + seconds, 0);
    record.tokens = records.reduce((sum, { tokens }) => sum + tokens, 0);
    record.peakMemory = process.resourceUsage().maxRSS * 1024;
    if (record.provenance.gpu) record.provenance.gpu.peakMemory = takePeakDeviceMemory();
    writing(files.model, () => {
      const sizes = readdirSync(files.model).map((name) => [name, statSync(join(files.model, name)).size] as const);
      record.files = Object.fromEntries(sizes);
      const weights = weightsOf(record, this.dir);
      record.weights = { bytes: statSync(weights).size, sha256: fileDigest(weights) };
    });
    record.status = "complete";
    this.endAttempt();
    this.removeCheckpoint();
  }

  private fail(error: TrainingError): void {
    this.record.status = "failed";
    this.record.error = { message: error.message, step: this.trainer!.stepsDone + 1 };
    if (error instanceof OutOfMemoryError) this.record.error.outOfMemory = true;
    this.endAttempt();
    if (!this.record.error.outOfMemory) this.removeCheckpoint();
  }

  /** Says what is kept of a run whose device had too little memory, and how to go on. */
  private withTheWayOn(error: OutOfMemoryError): OutOfMemoryError {
    const { step } = this.lastCheckpoint;
    const kept =
      step === 0
        ? "No checkpoint had been written yet."
        : `The checkpoint after step ${step} is kept in ${toRoot(this.files.checkpoint)}.`;
    return new OutOfMemoryError(
      `${error.message} ${kept} Other hyperparameters are another recipe: a run with its own id, which starts from the ` +
        `beginning. To go on with this one where more memory is free, delete ${toRoot(this.files.record)} and request ` +
        "the run again.",
      { cause: error.cause },
    );
  }

  private endAttempt(): void {
    const attempt = this.record.attempts.at(-1)!;
    attempt.ended = new Date().toISOString();
    attempt.toStep = this.trainer!.stepsDone;
    this.writeRecord();
  }

  private removeCheckpoint(): void {
    const { checkpoint } = this.files;
    writing(checkpoint, () => rmSync(checkpoint, { recursive: true, force: true }));
  }

  private writeRecord(): void {
    this.claim.renew();
    writeRunRecord(this.dir, this.record);
  }

  private close(): void {
    this.steps?.close();
    this.board?.close();
    this.trainer?.dispose();
    this.model?.dispose();
  }
}

/** The tokenizer's files with the chat template of the run, where Transformers 5 looks for it first. */
function withTemplate(tokenizer: TokenizerCopy, template: RowTemplate): TokenizerCopy {
  if (!isChatTemplate(template)) return tokenizer;
  return { ...tokenizer, files: new Map([...tokenizer.files, [CHAT_TEMPLATE, Buffer.from(template.jinja)]]) };
}

/** The run's record from earlier attempts, if there is a valid one. */
function previousRecord(file: string, id: string): RunRecord | undefined {
  const record = readJsonIfAny(file);
  return isRunRecord(record) && record.id === id ? record : undefined;
}

/** Removes partial files that a killed process left. */
function removeLeftovers(dir: string): void {
  writing(dir, () => {
    for (const name of readdirSync(dir)) {
      if (/\.part(-\d+)?$/.test(name)) rmSync(join(dir, name), { recursive: true, force: true });
    }
  });
}

/** Removes the folder of a run that failed before anything was written. */
function removeIfEmpty(dir: string): void {
  try {
    rmdirSync(dir);
  } catch {
    // The folder is not empty: it holds a run.
  }
}
