// A worker process of sweep(): trains the runs its parent sends, one after the other.
import type { EncodedDataset } from "../data/encode";
import { PromptlossError, Interrupted, RunHeldError, StoreError } from "../data/errors";
import type { Job } from "../runs/job";
import { RunStore } from "../runs/store";
import { encodeJob, trainJob } from "../train/train-job";
import type { FromWorker, ToWorker } from "./messages";

const PROGRESS_MS = 200;
const REMEMBERED_DATASETS = 4;

const stop = new AbortController();
const datasets = new Map<string, EncodedDataset>();

// Ctrl-C and a batch system's end of time reach the whole process group: the parent decides and sends "stop".
process.on("SIGINT", () => {});
process.on("SIGTERM", () => {});
// Without a parent nobody waits for the result: a checkpoint is written, and the process ends for want of anything to do.
process.on("disconnect", () => stop.abort());
process.stderr.on("error", () => {}); // a note that nobody reads any more
process.on("message", (message: ToWorker) => {
  if (message.type === "stop") stop.abort();
  else void trainAndReport(message);
});
send({ type: "ready" });

async function trainAndReport({ job, store, checkpointEvery }: Extract<ToWorker, { type: "train" }>): Promise<void> {
  const { id } = job;
  let tokens = 0;
  let last = 0;
  try {
    await trainJob(job, new RunStore(store), {
      signal: stop.signal,
      checkpointEvery,
      encode: remembered,
      onNote: (note) => process.stderr.write(`${job.name}: ${note}\n`),
      onStep: (record, totalSteps) => {
        tokens += record.tokens;
        if (Date.now() - last < PROGRESS_MS && record.step < totalSteps) return;
        send({ type: "progress", id, step: record.step, totalSteps, loss: record.loss, tokens });
        last = Date.now();
        tokens = 0;
      },
    });
    send({ type: "complete", id });
  } catch (error) {
    if (error instanceof Interrupted) send({ type: "interrupted", id });
    else if (error instanceof RunHeldError) send({ type: "held", id });
    else {
      // an error of this project explains itself, any other needs its stack
      const message = error instanceof PromptlossError ? error.message : (error as Error).stack ?? String(error);
      send({ type: "failed", id, message, fatal: error instanceof StoreError });
    }
  }
}

/** The runs of one dataset follow each other and need its rows tokenized once. */
function remembered(job: Job): EncodedDataset {
  const { data, tokenizer, template, truncation, hyperparameters } = job.recipe;
  const key = JSON.stringify([data, tokenizer, template, truncation, hyperparameters.maxLength]);
  const encoded = datasets.get(key) ?? encodeJob(job);
  datasets.delete(key); // to the end of the order
  datasets.set(key, encoded);
  if (datasets.size > REMEMBERED_DATASETS) datasets.delete(datasets.keys().next().value!);
  return encoded;
}

function send(message: FromWorker): void {
  // the callback takes the error of a parent that has just died; "disconnect" tells of it
  if (process.connected) process.send!(message, () => {});
}
