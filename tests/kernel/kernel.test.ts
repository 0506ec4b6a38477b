// Each test shows a fault of the stock kernel (unmodified tslab) that the project's kernel does not have.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { PYTHON, ROOT, STOCK_KERNEL, TestKernel, errorOf, ourKernel, printed, type CellResult } from "./client";

let ours: TestKernel;
let stock: TestKernel;
before(async () => {
  [ours, stock] = await Promise.all([TestKernel.start(ourKernel()), TestKernel.start(STOCK_KERNEL)]);
  await ours.runOne("0", { limit: 300 }); // the first cell of a checkout waits for the library to be compiled
});
after(async () => {
  await Promise.all([ours.stop(), stock.stop()]);
});

const scratch = mkdtempSync(join(tmpdir(), "promptloss-kernel-"));
after(() => rmSync(scratch, { recursive: true }));

test("cells run in the repository root, whatever the notebook's folder", async () => {
  const code = 'import { transformWeight } from "./lib/data/prompt-loss-weight";\n[process.cwd(), transformWeight(1)]';
  const cell = await ours.runOne(code);
  const before = await stock.runOne(code);
  assert.equal(cell.outputs.at(-1)?.content.data?.["text/plain"], `[ '${ROOT}', 1 ]`);
  assert.equal(before.reply.status, "error");
});

test("packages' types resolve, those behind an exports map too", async () => {
  const code = [
    'import type { DataFrame } from "danfojs-node";',
    'import type * as tf from "@tensorflow/tfjs-node-gpu";',
    'import type { Tokenizer } from "@huggingface/tokenizers";',
    "const wrong: [DataFrame, tf.Tensor2D, Tokenizer] = [1, 2, 3];",
  ].join("\n");
  const cell = await ours.runOne(code, { limit: 60 });
  assert.deepEqual(
    [
      ...errorOf(cell)!
        .traceback.join("\n")
        .matchAll(/not assignable to type '(.*?)'/g),
    ].map(([, type]) => type),
    ["DataFrame", "Tensor2D", "Tokenizer"],
  );
});

test("cells are checked as strictly as the library", async () => {
  const code = "function f(x) { return x; }\nconst text: string = null;";
  const cell = await ours.runOne(code);
  const before = await stock.runOne(code);
  const error = errorOf(cell)!;
  assert.equal(error.ename, "TypeScriptError");
  assert.match(error.evalue, /^line 1:12: Parameter 'x' implicitly has an 'any' type\. \(and 1 more\)$/);
  assert.match(error.traceback.join("\n"), /> 2 \| const text: string = null;/);
  assert.equal(cell.reply.status, "error");
  assert.equal(before.reply.status, "ok");
});

test("a name from an earlier cell works in an object's shorthand", async () => {
  const read = async (kernel: TestKernel) => {
    await kernel.runOne("const sharedName = 7;");
    return kernel.runOne("const held = { sharedName }; console.log(held.sharedName);");
  };
  const [cell, before] = [await read(ours), await read(stock)];
  assert.equal(printed(cell), "7\n");
  assert.match(JSON.stringify(before.outputs), /sharedName is not defined/);
});

test("thousands of lines in one tick arrive completely and in order, also when the cell throws", async () => {
  const lines = Array.from({ length: 5000 }, (_, i) => `line ${i}\n`).join("");
  const code = "for (let i = 0; i < 5000; i++) console.log(`line ${i}`);";
  const cell = await ours.runOne(code);
  assert.equal(printed(cell), lines);
  assert.ok(cell.outputs.length < 100, `${cell.outputs.length} messages`);
  const failing = await ours.runOne(`${code} throw new Error("after");`);
  assert.equal(printed(failing), lines);
  assert.equal(failing.outputs.at(-1)!.type, "error");

  const other = await TestKernel.start(STOCK_KERNEL); // a separate kernel, because it does not survive this
  const before = await other.runOne(code, { limit: 5 });
  assert.notEqual(printed(before), lines);
  await other.stop();
});

test("output of a synchronous loop arrives while it runs, standard output and error in order", async () => {
  const cell = await ours.runOne(
    [
      'console.log("a"); console.error("b");',
      'process.stdout.write(Buffer.from("é").subarray(0, 1)); process.stdout.write(Buffer.from("é").subarray(1));',
      'const until = Date.now() + 300; let n = 0; while (Date.now() < until) if (++n % 100000 === 0) console.log("…");',
    ].join("\n"),
  );
  const streams = cell.outputs.filter(({ type }) => type === "stream");
  assert.deepEqual(
    streams.slice(0, 2).map(({ content }) => [content.name, content.text]),
    [
      ["stdout", "a\n"],
      ["stderr", "b\n"],
    ],
  );
  assert.match(printed(cell), /^a\né…/);
  assert.ok(streams.length >= 4, "sent at most 50 ms late, not at the end");
});

test("an error has name, message and the cell's own positions; the cells after it are aborted", async () => {
  const code = [
    "interface Options { plw: number }",
    "",
    "// a comment",
    "function check(options: Options): void {",
    "  if (options.plw < 0) throw new RangeError(`plw is ${options.plw}`);",
    "}",
    "check({ plw: -1 });",
  ].join("\n");
  const [[cell, next], [before, beforeNext]] = await Promise.all(
    [ours, stock].map((kernel) => kernel.run([code, "1 + 1"])),
  );
  const error = errorOf(cell!)!;
  assert.equal(error.ename, "RangeError");
  assert.equal(error.evalue, "plw is -1");
  assert.deepEqual(error.traceback.slice(0, 3), [
    "RangeError: plw is -1",
    `    at check (cell [${cell!.reply.execution_count}]:5:30)`,
    `    at cell [${cell!.reply.execution_count}]:7:1`,
  ]);
  assert.ok(
    error.traceback.includes("> 5 |   if (options.plw < 0) throw new RangeError(`plw is ${options.plw}`);"),
    error.traceback.join("\n"),
  );
  const { status, ename, evalue } = cell!.reply;
  assert.deepEqual({ status, ename, evalue }, { status: "error", ename: "RangeError", evalue: "plw is -1" });
  assert.deepEqual([next!.reply, next!.outputs.length], [{ status: "aborted" }, 0]); // a number would stand beside the cell
  assert.equal((await ours.runOne("1 + 1")).reply.status, "ok");

  assert.equal(errorOf(before!), undefined);
  assert.notEqual(beforeNext!.reply.status, "aborted"); // its status is "abort", which is not part of the protocol
});

test("cells that may fail do not abort what follows", async () => {
  const [cell, next] = await ours.run(["throw new Error('expected')", "2 + 2"], { stop_on_error: false });
  assert.equal(cell!.reply.status, "error");
  assert.equal(next!.outputs.at(-1)!.content.data!["text/plain"], "4");
});

test("causes, library frames and thrown values that are not errors are shown", async () => {
  const cell = await ours.runOne(
    [
      'import { checkPromptLossWeight } from "./lib/data/prompt-loss-weight";',
      'try { checkPromptLossWeight(-1) } catch (cause) { throw new Error("outer", { cause }) }',
    ].join("\n"),
  );
  const text = errorOf(cell)!.traceback.join("\n");
  assert.match(text, /^Error: outer\n {4}at cell \[\d+\]:2:\d+\n/);
  assert.match(text, /\[cause\]: DataError: prompt loss weight .* -1/);
  assert.match(text, /at checkPromptLossWeight \(lib\/data\/prompt-loss-weight\.ts:\d+:\d+\)/);
  assert.doesNotMatch(text, /kernel\/|node:/);
  assert.deepEqual(errorOf(await ours.runOne("throw { code: 7 }")), {
    ename: "Error",
    evalue: "{ code: 7 }",
    traceback: ["Thrown: { code: 7 }"],
  });
});

test("an uncaught error fails the running cell, or else the next one", async () => {
  const rejected = 'Promise.reject(new Error("forgotten"));';
  const [cell, before] = await Promise.all([ours.runOne(rejected), stock.runOne(rejected)]);
  assert.equal(errorOf(cell)?.evalue, "forgotten");
  assert.equal(before.reply.status, "ok");

  const [timer, next] = await ours.run([
    'setTimeout(() => { throw new Error("in a timer") }, 20); await new Promise(() => {});',
    "1",
  ]);
  assert.equal(errorOf(timer!)?.evalue, "in a timer");
  assert.equal(next!.reply.status, "aborted");

  const [started, meanwhile] = await ours.run([
    'setTimeout(() => { throw new Error("late") }, 20); undefined',
    "await new Promise((resolve) => setTimeout(resolve, 2000))",
  ]);
  assert.equal(started!.reply.status, "ok");
  assert.equal(errorOf(meanwhile!)?.evalue, "late");

  await ours.runOne('setTimeout(() => { throw new Error("later") }, 20); undefined');
  await new Promise((resolve) => setTimeout(resolve, 300));
  const idle = await ours.runOne('console.log("not run")');
  assert.equal(errorOf(idle)?.evalue, "later");
  assert.match(errorOf(idle)!.traceback[0]!, /earlier cell left running failed\. This cell was not run/);
  assert.equal(printed(idle), "");
  assert.equal((await ours.runOne("1")).reply.status, "ok");
});

test("every message that has an execution count has the right one", async () => {
  const cell = await ours.runOne('"text"');
  const count = cell.reply.execution_count;
  assert.ok(Number.isInteger(count));
  assert.deepEqual(
    cell.outputs.map(({ type, content }) => [type, content.execution_count]),
    [
      ["execute_input", count],
      ["execute_result", count],
    ],
  );
  assert.deepEqual(cell.outputs[1]!.content.data, { "text/plain": "text" });
  assert.deepEqual(
    (await stock.runOne('"text"')).outputs.filter(({ content }) => "execution_count" in content),
    [],
  );
});

test("an output has all its MIME types, and is updated in place", async () => {
  const cell = await ours.runOne(
    [
      'import { show, liveDisplay } from "./lib/notebook/display";',
      "await show([{ weight: 0.5, loss: 2 }]);",
      'const update = liveDisplay(); update({ html: "<b>1</b>", text: "1" }); update({ html: "<b>2</b>", text: "2" });',
    ].join("\n"),
  );
  const [table, first, second] = cell.outputs.filter(({ type }) => type.endsWith("display_data"));
  assert.deepEqual(Object.keys(table!.content.data!), ["text/html", "text/plain"]);
  assert.deepEqual([first!.type, second!.type], ["display_data", "update_display_data"]);
  assert.deepEqual(first!.content.transient, second!.content.transient);
  assert.deepEqual(second!.content.data, { "text/html": "<b>2</b>", "text/plain": "2" });
});

test("a result that the library knows is shown; an array is one line; undefined is nothing", async () => {
  const shownBy = ({ outputs }: CellResult) =>
    outputs.slice(1).map(({ type, content }) => [type, String(content.data?.["text/plain"] ?? content.evalue)]);
  const imports = [
    'import { show } from "./lib/notebook/display";',
    'import { dataFrame } from "./lib/figures/data-frame";',
  ].join("\n");
  const frame = [["display_data", "set     loss\n-----  -----\nShort  1.250"]];
  const first = await ours.runOne(`${imports}\nconst frame = dataFrame([{ set: "Short", loss: 1.25 }]);\nframe`);
  assert.deepEqual(shownBy(first), frame);
  assert.deepEqual(Object.keys(first.outputs[1]!.content.data!), ["text/html", "text/plain"]);

  const cells = await ours.run([
    "await show(frame)",
    "undefined",
    "[]",
    "['a', ['b'], { c: 1 }]",
    "Array.from({ length: 1000 }, (_, i) => `/work/file ${i}`)",
    "new Proxy({}, { get() { throw new Error('hostile') }, has() { throw new Error('hostile') } })",
    "[new Proxy({}, { get() { throw new Error('hostile') }, has: () => true })]",
  ]);
  assert.deepEqual(cells.map(shownBy), [
    frame,
    [],
    [["execute_result", "[]"]],
    [["execute_result", "[ 'a', [ 'b' ], { c: 1 } ]"]],
    [["execute_result", "[ '/work/file 0', '/work/file 1', '/work/file 2', '/work/file 3', ... 996 more items ]"]],
    [["execute_result", "{}"]],
    [["execute_result", "[ {} ]"]],
  ]);
  const hostile = "({ columns: ['a'], values: [[{ toJSON() { throw new Error('hostile cell') } }]] })";
  assert.deepEqual(shownBy(await ours.runOne(hostile)), [["display_data", "a\n---------------\n[object Object]"]]);

  const file = join(ROOT, "lib", "notebook", "display.ts");
  const { atime, mtime } = statSync(file);
  try {
    utimesSync(file, atime, new Date());
    const used = "(globalThis as any)[Symbol.for('promptloss.kernel')].showResult";
    const [, again, renewed] = await ours.run([`const before = ${used};`, `${imports}\nframe`, `before === ${used}`]);
    assert.deepEqual(shownBy(again!), frame);
    assert.deepEqual(shownBy(renewed!), [["execute_result", "false"]]);
  } finally {
    utimesSync(file, atime, mtime);
  }
});

test("later cells see variables, types and functions of earlier ones; imported names can be redeclared", async () => {
  const cells = await ours.run([
    [
      "interface Point { x: number }",
      "let total = 1; const point: Point = { x: 2 };",
      "function add(p: Point) { total += p.x; return total; }",
    ].join("\n"),
    "add(point); add(point)",
    "total",
    'import { join } from "node:path";',
    'import { join } from "node:path";\njoin("a", "b")',
    "const join = 3; join",
  ]);
  assert.deepEqual(
    cells.map(({ reply }) => reply.status),
    Array(6).fill("ok"),
  );
  assert.deepEqual(
    cells.map(({ outputs }) => outputs[1]?.content.data?.["text/plain"]),
    [undefined, "5", "5", undefined, "a/b", "3"],
  );
});

test("a loop over a top-level variable is not slow", async () => {
  const code = "let sum = 0; for (let i = 0; i < 3e6; i++) sum += i;\nsum";
  const cell = await ours.runOne(code);
  const before = await stock.runOne(code);
  assert.ok(cell.seconds * 3 < before.seconds, `${cell.seconds} s, stock ${before.seconds} s`); // measured ratio: 0.1
});

test("the stop button ends a loop that checks the signal within one step, and the kernel keeps working", async () => {
  const loop = [
    'console.log("started");',
    "for (let step = 1; ; step++) {",
    "  await new Promise((resolve) => setTimeout(resolve, 20));",
    "  interruptSignal().throwIfAborted();",
    "}",
  ].join("\n");
  await ours.runOne('import { interruptSignal } from "./lib/notebook/interrupt";\nlet state = "kept";');
  const cell = await ours.runOne(loop, { interrupt_after: "started" });
  assert.deepEqual([errorOf(cell)?.ename, errorOf(cell)?.evalue], ["Interrupted", "The cell was interrupted."]);
  assert.ok(cell.seconds_to_stop! < 1, `${cell.seconds_to_stop} s`);
  const [again, aborted] = await ours.run([loop, "1"], { interrupt_after: "started" }); // a fresh signal for each cell
  assert.deepEqual([again!.reply.status, aborted!.reply.status], ["error", "aborted"]);
  assert.equal(
    (await ours.runOne("[state, interruptSignal().aborted]")).outputs[1]!.content.data!["text/plain"],
    "[ 'kept', false ]",
  );
});

test("the import cell reloads an edited library file and the files that import it, and no others", async () => {
  const folder = mkdtempSync(join(ROOT, "out-kernel-test-"));
  const name = folder.slice(ROOT.length + 1);
  try {
    const write = (file: string, text: string, age: number): void => {
      writeFileSync(join(folder, file), text);
      utimesSync(join(folder, file), new Date(), new Date(Date.now() - age));
    };
    write("leaf.ts", "export const value = 1; export const loaded = Math.random();", 5000);
    write("other.ts", "export const loaded = Math.random();", 5000);
    write(
      "index.ts",
      [
        'export { value } from "./leaf"; export { loaded } from "./other";',
        "export const twice = (x: number): number => 2 * x;",
      ].join("\n"),
      5000,
    );
    const importing = `import { value, loaded, twice } from "./${name}/index";\n`;
    const [first, edited] = [
      await ours.runOne(`${importing}const before = loaded; twice(value)`),
      await (async () => {
        write("leaf.ts", "export const value = 21; export const loaded = 0;", 0);
        return ours.runOne(`${importing}[twice(value), loaded === before]`);
      })(),
    ];
    assert.equal(first.outputs[1]!.content.data!["text/plain"], "2");
    assert.equal(edited.outputs[1]!.content.data!["text/plain"], "[ 42, true ]");
    write("leaf.ts", 'export const value = "text";', -1000);
    assert.match(
      errorOf(await ours.runOne(`${importing}twice(value)`))!.evalue,
      /'string' is not assignable to parameter of type 'number'/,
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("completion, inspection and completeness answer while typing", async () => {
  await ours.runOne("const promptLossWeight = 0.5;");
  assert.deepEqual((await ours.request("complete_request", { code: "promptLo", cursor_pos: 8 })).matches, [
    "promptLossWeight",
  ]);
  const found = await ours.request("inspect_request", { code: "promptLossWeight", cursor_pos: 3, detail_level: 0 });
  assert.match((found.data as Record<string, string>)["text/plain"]!, /const promptLossWeight: 0\.5/);
  assert.equal((await ours.request("is_complete_request", { code: "if (true) {" })).status, "incomplete");
});

test("restart clears the state, and the kernel works", async () => {
  await ours.restart();
  const [cell] = await ours.run(["typeof state", "1"], { stop_on_error: false });
  assert.match(errorOf(cell!)?.evalue ?? "", /Cannot find name 'state'/);
  assert.equal(cell!.reply.execution_count, 1);
});

test("nbconvert: a failing cell fails the command, with its error in the notebook", () => {
  const notebook = join(scratch, "failing.ipynb");
  const source = (...sources: string[]): string =>
    JSON.stringify({
      nbformat: 4,
      nbformat_minor: 5,
      metadata: { kernelspec: { name: "promptloss", display_name: "Promptloss", language: "typescript" } },
      cells: sources.map((text, i) => ({
        id: `c${i}`,
        cell_type: "code",
        metadata: {},
        source: text,
        outputs: [],
        execution_count: null,
      })),
    });
  const execute = (...options: string[]) =>
    spawnSync(
      PYTHON,
      ["-m", "nbconvert", "--to", "notebook", "--execute", "--output", "done.ipynb", ...options, notebook],
      { encoding: "utf8", env: { ...process.env, JUPYTER_CONFIG_DIR: join(scratch, "config") } },
    );
  writeFileSync(notebook, source("1 + 1", 'Promise.reject(new Error("nobody waits"));', 'console.log("never")'));
  const failed = execute();
  assert.equal(failed.status, 1);
  assert.match(failed.stderr, /Error: nobody waits/);
  const allowed = execute("--allow-errors");
  assert.equal(allowed.status, 0, allowed.stderr);
  const done = JSON.parse(readFileSync(join(scratch, "done.ipynb"), "utf8")) as {
    cells: { execution_count: number; outputs: { output_type: string; ename?: string }[] }[];
  };
  assert.deepEqual(
    done.cells.map(({ execution_count: count, outputs }) => [count, outputs[0]!.output_type]),
    [
      [1, "execute_result"],
      [2, "error"],
      [3, "stream"],
    ],
  );
});
