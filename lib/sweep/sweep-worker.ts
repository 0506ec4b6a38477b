// Worker process of sweep(): trains the runs that the parent process sends.
import { visibleText } from "../data/visible-text";
import type { EncodedDataset } from "../data/encode";
import type { Job } from "../runs/job";
import { RunStore } from "../runs/store";
import { encodeJob, encodingKey } from "../train/encode-job";
import { trainJob } from "../train/train-job";
import { serveJobs } from "../workers/serve";
import type { LossPoint } from "./loss-curve";
import type { TrainingJob, TrainingProgress } from "./training-job";

/** Maximum number of encoded data sets kept in memory. */
const MAX_CACHED_DATASETS = 4;
/** Encoded data sets, least recently used first. */
const datasets = new Map<string, EncodedDataset>();

serveJobs<TrainingJob, TrainingProgress, null>(async ({ job, store, checkpointEvery }, { signal, report }) => {
  let tokens = 0;
  let losses: LossPoint[] = [];
  await trainJob(job, new RunStore(store), {
    signal,
    checkpointEvery,
    encode: cachedEncode,
    onNote: (note) => process.stderr.write(visibleText(`${job.name}: ${note}\n`)),
    onStep: ({ step, loss, promptLoss, completionLoss, tokens: added }, totalSteps) => {
      tokens += added;
      losses.push({ step, promptLoss, completionLoss });
      if (report({ step, totalSteps, loss, tokens, losses }, step === totalSteps)) [tokens, losses] = [0, []];
    },
  });
  return null;
});

/** Encodes the data set of a job. Consecutive jobs share a data set, which is then tokenized only once. */
function cachedEncode(job: Job): EncodedDataset {
  const key = encodingKey(job);
  const encoded = datasets.get(key) ?? encodeJob(job);
  datasets.delete(key); // insert again at the end: most recently used
  datasets.set(key, encoded);
  if (datasets.size > MAX_CACHED_DATASETS) datasets.delete(datasets.keys().next().value!);
  return encoded;
}
