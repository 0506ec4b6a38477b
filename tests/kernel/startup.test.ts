// The kernel's compiler starts from a snapshot with the library's types loaded: kernel/snapshot.cjs.
import assert from "node:assert/strict";
import { readdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { ROOT, TestKernel, ourKernel, printed } from "./client";

// A library file that no snapshot knows, because its name is new.
const name = `startup-probe-${process.pid}`;
const file = join(ROOT, "lib", `${name}.ts`);
after(() => rmSync(file, { force: true }));

/** Starts a kernel, imports the file and prints what it exports; returns everything that was printed. */
async function importInNewKernel(use: string): Promise<string> {
  const kernel = await TestKernel.start(ourKernel());
  try {
    const cell = await kernel.runOne(`import { probe } from "./lib/${name}";\n${use}`, { limit: 200 });
    assert.equal(cell.reply.status, "ok", JSON.stringify(cell.reply));
    return printed(cell);
  } finally {
    await kernel.stop();
  }
}

test(
  "the library is compiled once and says so; later starts use the snapshot, and see edited files",
  { timeout: 500_000 },
  async () => {
    writeFileSync(file, "export const probe: number = 1;\n");
    const first = await importInNewKernel("console.log(probe.toFixed(1));");
    assert.match(first, /^Compiling the library \(first time after a change\)[^\n]*\n1\.0\n$/);
    assert.equal(await importInNewKernel("console.log(probe.toFixed(1));"), "1.0\n");
    writeFileSync(file, 'export const probe: string = "edited";\n'); // of another type: toFixed would not compile
    assert.equal(await importInNewKernel("console.log(probe.toUpperCase());"), "EDITED\n");
  },
);

test("a damaged snapshot is made again", { timeout: 500_000 }, async () => {
  writeFileSync(file, "export const probe: number = 1;\n");
  await importInNewKernel("console.log(probe);");
  const cache = join(ROOT, "node_modules", ".cache", "promptloss", "kernel");
  for (const name of readdirSync(cache)) if (name.endsWith(".blob")) truncateSync(join(cache, name), 1_000_000);
  assert.match(await importInNewKernel("console.log(probe);"), /^Compiling the library [^\n]*\n1\n$/);
  assert.equal(await importInNewKernel("console.log(probe);"), "1\n");
});
