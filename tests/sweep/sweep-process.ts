// Runs a sweep in a separate process that tests can kill.
// Usage: node --import tsx sweep-process.ts <study file> <store> <workers>
// Prints the ids and states of the runs as one line of JSON.
import { sweep } from "../../lib/sweep/sweep";

const [study, store, workers] = process.argv.slice(2);
sweep({ study, store, workers: Number(workers), checkpointEvery: { steps: 3 } }).then(
  (runs) => console.log(JSON.stringify(runs.map(({ id, status }) => ({ id, status })))),
  (error: unknown) => {
    console.error(error);
    process.exitCode = 1;
  },
);
