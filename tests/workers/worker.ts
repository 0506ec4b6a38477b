// The worker process of pool.test.ts. `TestJob.action` says what it does with a job.
import { Interrupted, RunHeldError, StoreError } from "../../lib/data/errors";
import type { WorkerJob } from "../../lib/workers/messages";
import { serveJobs } from "../../lib/workers/serve";

export interface TestJob extends WorkerJob {
  action: "square" | "wait" | "crash" | "kill" | "throw" | "hold" | "break the store";
  value: number;
}

/** Progress of a job. */
export interface TestProgress {
  pid: number;
}

serveJobs<TestJob, TestProgress, number>(async ({ action, value }, { signal, report }) => {
  report({ pid: process.pid }, true);
  switch (action) {
    case "square":
      return value * value;
    case "wait":
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      throw new Interrupted("stopped");
    case "crash":
      process.stderr.write(`value ${value} is out of range\n`);
      return process.exit(3);
    case "kill":
      process.kill(process.pid, "SIGKILL");
      return value;
    case "throw":
      throw new RangeError(`value ${value} is negative`);
    case "hold":
      throw new RunHeldError("another process trains this run");
    case "break the store":
      throw new StoreError("the disk is full");
  }
});
