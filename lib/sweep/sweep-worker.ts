// A worker process of sweep(): trains the runs that its parent sends.
import type { EncodedDataset } from "../data/encode";
import type { Job } from "../runs/job";
import { RunStore } from "../runs/store";
import { encodeJob, trainJob } from "../train/train-job";
import { serveJobs } from "../workers/serve";
import type { TrainingJob, TrainingProgress } from "./training-job";

const REMEMBERED_DATASETS = 4;
const datasets = new Map<string, EncodedDataset>();

serveJobs<TrainingJob, TrainingProgress, null>(async ({ job, store, checkpointEvery }, { signal, report }) => {
  let tokens = 0;
  await trainJob(job, new RunStore(store), {
    signal,
    checkpointEvery,
    encode: remembered,
    onNote: (note) => process.stderr.write(`${job.name}: ${note}\n`),
    onStep: (record, totalSteps) => {
      tokens += record.tokens;
      const progress = { step: record.step, totalSteps, loss: record.loss, tokens };
      if (report(progress, record.step === totalSteps)) tokens = 0;
    },
  });
  return null;
});

/** Runs of one data set follow each other and need its rows tokenized only once. */
function remembered(job: Job): EncodedDataset {
  const { data, tokenizer, template, truncation, hyperparameters } = job.recipe;
  const key = JSON.stringify([data, tokenizer, template, truncation, hyperparameters.maxLength]);
  const encoded = datasets.get(key) ?? encodeJob(job);
  datasets.delete(key); // moves the key to the end of the order
  datasets.set(key, encoded);
  if (datasets.size > REMEMBERED_DATASETS) datasets.delete(datasets.keys().next().value!);
  return encoded;
}
