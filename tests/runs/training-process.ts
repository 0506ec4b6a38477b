// Trains a run in a process of its own, and pauses at one step until it is told how to go on.
// Usage: node --import tsx training-process.ts <JSON of Instructions>
// Prints "paused", and at the end one line of JSON: {"outcome": "complete" or the name of the error}.
import { existsSync, readFileSync } from "node:fs";
import os from "node:os";
import { TrainingError } from "../../lib/data/errors";

/** What the process does. */
export interface Instructions {
  /** options of `train`, as JSON */
  options: Record<string, unknown>;
  /** pauses after the computation of this step, before anything is written */
  pauseAt: number;
  /** file whose appearance ends the pause; its text is "go on", "interrupt" or "fail" */
  answer: string;
  /** name of the machine that the process claims to run on; default: the true one */
  host?: string;
}

async function main({ options, pauseAt, answer, host }: Instructions): Promise<string> {
  if (host !== undefined) os.hostname = () => host;
  const { Trainer } = await import("../../lib/train/trainer");
  const { train } = await import("../../lib/train/train");
  const stop = new AbortController();
  const step = Trainer.prototype.step;
  Trainer.prototype.step = function () {
    const record = step.call(this);
    if (record.step !== pauseAt) return record;
    console.log("paused");
    while (!existsSync(answer)) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
    const said = readFileSync(answer, "utf8");
    if (said === "interrupt") stop.abort();
    if (said === "fail") throw new TrainingError(`step ${pauseAt}: the loss is NaN.`);
    return record;
  };
  try {
    await train({ ...(options as unknown as Parameters<typeof train>[0]), signal: stop.signal });
    return "complete";
  } catch (error) {
    return (error as Error).name;
  }
}

void main(JSON.parse(process.argv[2]) as Instructions).then((outcome) => console.log(JSON.stringify({ outcome })));
