import { sha256 } from "../data/digest";
import type { DigestCache } from "../runs/digests";
import type { Job } from "../runs/job";
import { encodeJob, encodingKey } from "../train/encode-job";
import type { RowLengths } from "../train/training-volume";

/** Lengths of a job's rows, as training encodes them. */
export interface EncodedLengths extends RowLengths {
  /** number of rows that were cut at the maximum length */
  truncated: number;
  /** number of rows that are left out */
  dropped: number;
  /** time that their encoding took when it was done */
  seconds: number;
}

/**
 * Encodes the rows of a job and returns their lengths. What was encoded before, from the same files in the same way,
 * comes from the cache.
 *
 * @throws {DataError} if the rows cannot be encoded as the job wants, or changed since it was resolved
 */
export function rowLengths(job: Job, cache: DigestCache): EncodedLengths {
  return cache.of(`lengths ${sha256(encodingKey(job)).slice(0, 16)}`, [job.dataFile], () => {
    const started = performance.now();
    const { examples, truncated, dropped } = encodeJob(job);
    return {
      rows: examples.map(({ ids }) => ids.length),
      prompts: examples.map(({ completion }) => completion.filter((isCompletion) => !isCompletion).length),
      truncated: truncated.length,
      dropped: dropped.length,
      seconds: (performance.now() - started) / 1000,
    };
  });
}
