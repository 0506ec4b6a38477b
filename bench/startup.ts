// Time from the start of a notebook's kernel to the result of its first cell, which imports the library, and the same
// after a restart: `node --import tsx bench/startup.ts [starts, default 5] [checkout, default this one]`. "cold" is a
// start without the compiled library (the first of a checkout, or after an update).
import { existsSync, rmSync } from "node:fs";
import { cpus } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import type { TestKernel as Kernel, ourKernel as kernelSpec } from "../tests/kernel/client";

const IMPORT = 'import { loadStudy, sweep, figure2a, show } from "./lib/index";\nconsole.log(typeof sweep);';

void main();

async function main(): Promise<void> {
  const { positionals } = parseArgs({ allowPositionals: true });
  const starts = Number(positionals[0] ?? 5);
  const checkout = resolve(positionals[1] ?? join(__dirname, ".."));
  const client = (await import(join(checkout, "tests", "kernel", "client"))) as {
    TestKernel: typeof Kernel;
    ourKernel: typeof kernelSpec;
  };
  const cache = join(checkout, "node_modules", ".cache", "promptloss", "kernel");
  console.log(`${cpus()[0].model}, ${checkout}`);
  if (existsSync(cache)) rmSync(cache, { recursive: true });
  for (let start = 0; start <= starts; start++) {
    const kernel = await client.TestKernel.start(client.ourKernel());
    const cell = await kernel.runOne(IMPORT, { limit: 300 });
    if (cell.reply.status !== "ok") throw new Error(JSON.stringify(cell.reply));
    const { seconds } = await kernel.restart();
    const again = await kernel.runOne(IMPORT, { limit: 300 });
    const total = (kernel.startSeconds + cell.seconds).toFixed(2);
    const first = `kernel ${kernel.startSeconds.toFixed(2)} s, import ${cell.seconds.toFixed(2)} s, together ${total} s`;
    const restarted = `after a restart ${seconds.toFixed(2)} + ${again.seconds.toFixed(2)} s`;
    console.log(`${start === 0 ? "cold" : "warm"}: ${first}; ${restarted}`);
    await kernel.stop();
  }
}
