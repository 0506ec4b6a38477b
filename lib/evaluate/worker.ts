// A worker process of evaluateRuns(): evaluates the runs its parent sends, one after the other. What does not depend on
// a run's weights (rows, shots, tokens, batches) is prepared for the first and kept.
import { basename, dirname, join } from "node:path";
import { PromptlossError, RunError, Interrupted, RunHeldError } from "../data/errors";
import { claimRun, type Claim } from "../runs/claim";
import { RunStore } from "../runs/store";
import { TasksFailedError, evaluateWith } from "./evaluate";
import { Memo } from "./memo";
import type { EvaluationJob, FromWorker, TaskFailure, ToWorker } from "./messages";

const PROGRESS_MS = 200;

const stop = new AbortController();
const memo = new Memo();

// Ctrl-C and a batch system's end of time reach the whole process group: the parent decides and sends "stop".
process.on("SIGINT", () => {});
process.on("SIGTERM", () => {});
process.on("disconnect", () => stop.abort());
process.stderr.on("error", () => {}); // a note that nobody reads any more
process.on("message", (message: ToWorker) => {
  if (message.type === "stop") stop.abort();
  else void evaluateAndReport(message.job);
});
send({ type: "ready" });

async function evaluateAndReport(job: EvaluationJob): Promise<void> {
  const { dir, name } = job;
  let claim: Claim | undefined;
  try {
    claim = await claimRun(join(dir, "scores"), `${name} (scores)`);
    send({ type: "complete", dir, failures: await evaluateRun(job) });
  } catch (error) {
    if (error instanceof Interrupted) send({ type: "interrupted", dir });
    else if (error instanceof RunHeldError) send({ type: "held", dir });
    // an error of this project explains itself, any other needs its stack
    else send({ type: "failed", dir, message: error instanceof PromptlossError ? error.message : (error as Error).stack ?? String(error) });
  } finally {
    claim?.release();
  }
}

async function evaluateRun({ dir, name, tasks, options }: EvaluationJob): Promise<TaskFailure[]> {
  const run = new RunStore(dirname(dir)).get(basename(dir));
  if (!run) throw new RunError(`${name}: ${dir} holds no run any more.`);
  let last = 0;
  try {
    await evaluateWith(memo, run, tasks, {
      ...options, signal: stop.signal,
      onProgress: ({ task, tasksDone, done, total }) => {
        if (Date.now() - last < PROGRESS_MS) return;
        last = Date.now();
        send({ type: "progress", dir, task, tasksDone, done, total });
      },
    });
    return [];
  } catch (error) {
    if (error instanceof TasksFailedError) return error.failures;
    throw error;
  }
}

function send(message: FromWorker): void {
  // the callback takes the error of a parent that has just died; "disconnect" tells of it
  if (process.connected) process.send!(message, () => {});
}
