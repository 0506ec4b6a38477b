// Child process of the fuzzer: judges the inputs that it is sent, so that a crash ends only this process.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { formatOf } from "./formats";
import { inputOf } from "./input";
import { judge, type Outcome } from "./judge";

/** Inputs to judge, in order. */
export interface Order {
  format: string;
  seed: number;
  indices: number[];
}

/** Says which input comes next, and what came of it. */
export type Report = { index: number; outcome?: Outcome };

const dir = mkdtempSync(join(tmpdir(), "promptloss-fuzz-"));
process.on("exit", () => rmSync(dir, { recursive: true, force: true }));
console.warn = () => undefined;
console.log = () => undefined;

process.on("message", (order: Order) => void obey(order));
process.on("disconnect", () => process.exit(0));
process.send!("ready");

async function obey({ format: name, seed, indices }: Order): Promise<void> {
  const format = formatOf(name);
  for (const index of indices) {
    const input = inputOf(format, seed, index);
    await report({ index });
    const outcome = await judge(format, input, join(dir, "input"));
    await report({ index, outcome });
  }
}

/** Resolves when the parent has the message, which it must even if the next input ends this process. */
function report(message: Report): Promise<void> {
  return new Promise((resolve) => void process.send!(message, () => resolve()));
}
