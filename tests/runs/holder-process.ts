// Holds a run, as a process that trains or evaluates it does, until it is ended.
// Usage: node --import tsx holder-process.ts <folder to claim>
// Prints its process id once it holds the run.
import { claimRun } from "../../lib/runs/claim";

claimRun(process.argv[2], "held").then(
  () => {
    setInterval(() => {}, 1000);
    console.log(process.pid);
  },
  (error: unknown) => {
    console.error(error);
    process.exitCode = 1;
  },
);
