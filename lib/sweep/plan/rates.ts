// How fast a machine trains the runs of a study, and what complete runs say of it.
import { cpus } from "node:os";
import { groupBy } from "../../data/group";
import type { Job } from "../../runs/job";
import type { Run } from "../../runs/store";
import type { TrainingRate } from "../../train/training-volume";
import type { PlannedRun } from "./planned-run";

/** The rate of runs that are alike. */
export interface MeasuredRate extends TrainingRate {
  /** of the runs, from {@link rateKey} */
  key: string;
  /** display name of the model */
  model: string;
  /** number of complete runs that tell it; 0: some steps were measured */
  runs: number;
  /** seconds until a worker is ready */
  starting: number;
}

/** Where runs tell the rate: seconds until a worker is ready, and bytes of a model that are loaded in a second. */
const TYPICAL = { starting: 2, bytesPerSecond: 500e6 };

/** Runs with the same key compute in the same way, and so at the same rate. */
export const rateKey = ({
  recompute,
  recipe: { model, hyperparameters: h, threads, device },
}: Pick<Job, "recipe" | "recompute">): string =>
  JSON.stringify([model.digest, h.microBatchSize, h.precision, h.adapter, threads, device, recompute]);

/**
 * Rates of complete runs that this machine's kind of CPU trained.
 * @param complete as planned, and as they are in the store
 */
export function ratesOfRuns(complete: readonly (PlannedRun & { run: Run })[]): MeasuredRate[] {
  const cpu = cpus()[0]?.model.trim();
  const own = complete.filter(({ run: { record } }) => record.provenance.cpu === cpu && (record.seconds ?? 0) > 0);
  return [...groupBy(own, ({ job }) => rateKey(job))].map(([key, runs]) => {
    const operations = runs.reduce((sum, { volume }) => sum + volume.operations, 0);
    return {
      key,
      model: runs[0].job.recipe.model.name,
      runs: runs.length,
      perOperation: runs.reduce((sum, { run }) => sum + run.record.seconds!, 0) / operations,
      perUpdate: 0, // within the seconds of the steps
      loading: (4 * runs[0].job.parameters) / TYPICAL.bytesPerSecond,
      starting: TYPICAL.starting,
    };
  });
}
