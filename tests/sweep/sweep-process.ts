// A sweep in a process of its own, to be killed: node --import tsx sweep-process.ts <study file> <store> <workers>
// Prints one JSON line: which runs it got.
import { sweep } from "../../lib/sweep/sweep";

const [study, store, workers] = process.argv.slice(2);
sweep({ study, store, workers: Number(workers), checkpointEvery: { steps: 3 } }).then(
  (runs) => console.log(JSON.stringify(runs.map(({ id, status }) => ({ id, status })))),
  (error: unknown) => {
    console.error(error);
    process.exitCode = 1;
  },
);
