// Worker process of evaluateRuns(): evaluates the runs that its parent process sends. Everything that does not depend
// on a run's parameters (rows, few-shot examples, tokens, batches) is prepared for the first run and reused.
import { join } from "node:path";
import { RunError } from "../data/errors";
import { claimRun } from "../runs/claim";
import { RunStore } from "../runs/store";
import { serveJobs } from "../workers/serve";
import { TasksFailedError, evaluateWith, type EvaluationProgress } from "./evaluate";
import type { EvaluationJob, EvaluationJobProgress, TaskFailure } from "./evaluation-job";
import { Memo } from "./memo";

const memo = new Memo();

serveJobs<EvaluationJob, EvaluationJobProgress, TaskFailure[]>(async (job, { signal, report }) => {
  const { run: id, store, name, tasks, options } = job;
  const run = new RunStore(store).get(id);
  if (!run) {
    throw new RunError(
      `${name}: ${join(store, id)} no longer contains a run. Check whether the folder was moved or deleted.`,
    );
  }
  const claim = await claimRun(join(run.dir, "scores"), `${name} (scores)`);
  try {
    const onProgress = ({ task, tasksDone, done, total }: EvaluationProgress) =>
      report({ task, tasksDone, done, total });
    await evaluateWith(memo, run, tasks, { ...options, signal, onProgress }, claim);
    return [];
  } catch (error) {
    if (error instanceof TasksFailedError) return error.failures;
    throw error;
  } finally {
    claim.release();
  }
});
