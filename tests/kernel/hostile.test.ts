// What a cell throws, prints or returns may be anything: the kernel answers, and the notebook is a valid file.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { halfCharacterIn } from "../../lib/data/well-formed";
import { PYTHON, TestKernel, errorOf, ourKernel, printed, type CellResult } from "./client";

const scratch = mkdtempSync(join(tmpdir(), "promptloss-hostile-"));
let kernel: TestKernel;
before(async () => {
  kernel = await TestKernel.start(ourKernel());
  await kernel.runOne("0", { limit: 300 }); // the first cell of a checkout waits for the library to be compiled
});
after(async () => {
  await kernel.stop();
  rmSync(scratch, { recursive: true });
});

const HELPERS = [
  'import { show } from "./lib/notebook/display";',
  'import { display } from "tslab";',
  "const revoked = (target: object = {}) => { const { proxy, revoke } = Proxy.revocable(target, {}); revoke(); return proxy; };",
  'const fail = (): never => { throw new Error("looked at"); };',
  'const custom = Symbol.for("nodejs.util.inspect.custom");',
  "const getter = <T extends object>(object: T, name: PropertyKey) => Object.defineProperty(object, name, { get: fail });",
].join("\n");

const UNREADABLE = /^\(it cannot be read: looking at it throws another error\)$/;
const CUT = /^x{1000}x*\n… cut: the first 1,000,000 of 500,000,00\d characters are shown\n?$/;

/** A cell, the type of its only output, and the message of an error, the text of a stream or the plain text of others. */
type Hostile = [code: string, type: "error" | "stream" | "execute_result" | "display_data", text: RegExp];

const HOSTILE: Hostile[] = [
  // thrown
  ['throw getter(new Error("x"), "message")', "error", UNREADABLE],
  ['throw getter(new Error("x"), "stack")', "error", /^x$/],
  ['throw getter(new Error("x"), "name")', "error", /^x$/],
  ['throw Object.assign(new Error("x"), { name: Symbol("n") })', "error", /^x$/],
  ["throw { toString: fail, get stack() { return fail(); } }", "error", /^\{ toString: .*, stack: \[Getter\] \}$/],
  ["throw revoked()", "error", /^<Revoked Proxy>$/],
  ["throw new Proxy(new Error(), { get: fail, has: fail, getPrototypeOf: fail, ownKeys: fail })", "error", /^Error/],
  ["throw Object.create(null)", "error", /^\[Object: null prototype\] \{\}$/],
  ['throw Symbol("thrown")', "error", /^Symbol\(thrown\)$/],
  ["throw undefined", "error", /^undefined$/],
  ["throw { [custom]: fail }", "error", UNREADABLE],
  ['const cause = new Error("x"); cause.cause = cause; throw cause', "error", /^x$/],
  [
    'let deep = new Error("0"); for (let i = 0; i < 1e5; i++) deep = new Error("x", { cause: deep }); throw deep',
    "error",
    /^x$/,
  ],
  ['throw new AggregateError([revoked(), Object.create(null), 5n], "x")', "error", /^x$/],
  ['throw new Error("😀".slice(0, 1))', "error", /^\ufffd$/],
  [
    'throw new Error("x".repeat(5e8))',
    "error",
    /^x{1000}x*\n… cut: the first 100,000 of 500,000,000 characters are shown$/,
  ],
  [
    'throw Object.assign(new Error("x"), { text: "y".repeat(5e8), list: Array(1e7).fill("y".repeat(1e5)) })',
    "error",
    /^x$/,
  ],
  // thrown where nothing catches it
  ["Promise.reject(revoked()); await new Promise(() => {})", "error", /^<Revoked Proxy>$/],
  ["await Promise.reject(getter(new Error(), 'message'))", "error", UNREADABLE],
  ["setTimeout(() => { throw getter(new Error(), 'message') }, 1); await new Promise(() => {})", "error", UNREADABLE],
  ["await ({ then: () => { throw revoked(); } } as any)", "error", /^<Revoked Proxy>$/],
  // thrown by what is shown
  ["({ [custom]: fail })", "error", /^looked at$/],
  ["console.log({ [custom]: () => { throw revoked(); } })", "error", /^<Revoked Proxy>$/],
  ["await show({ columns: ['a'], values: getter([[1]], 0) })", "error", /^looked at$/],
  ["display.raw('text/html', { toJSON: () => { throw revoked(); } } as any)", "error", /^<Revoked Proxy>$/],
  ["process.stdout.write({ toString: fail } as any)", "error", /^The "buf" argument must be/],
  [
    'const E: any = Error; E.prepareStackTrace = fail; setTimeout(() => { E.prepareStackTrace = undefined }, 1); throw new Error("x")',
    "error",
    /^x$/,
  ],
  // returned
  ['"I like 😀".slice(0, 8)', "execute_result", /^I like \ufffd$/],
  ["({ [custom]: () => '\\ud83d\\\\ud83d' })", "execute_result", /^\ufffd\\ud83d$/],
  ["revoked()", "execute_result", /^<Revoked Proxy>$/],
  ["revoked([])", "execute_result", /^<Revoked Proxy>$/],
  ["Object.create(null)", "execute_result", /^\[Object: null prototype\] \{\}$/],
  [
    "({ toJSON: fail, then: () => {} })",
    "execute_result",
    /^\{ toJSON: \[Function: fail\], then: \[Function: then\] \}$/,
  ],
  ["class Named {}; getter(Named, 'name'); new Named()", "error", /^looked at$/],
  [
    "const cycle = { self: {} }; cycle.self = cycle; cycle",
    "execute_result",
    /^<ref \*1> \{ self: \[Circular \*1\] \}$/,
  ],
  ["let nest = {}; for (let i = 0; i < 1e6; i++) nest = { nest }; nest", "execute_result", /^\{ nest: .*\[Object\]/],
  ['"x".repeat(5e8)', "execute_result", CUT],
  [
    '"x".repeat(999_999) + "😀"',
    "execute_result",
    /^x{1000}x*\n… cut: the first 999,999 of 1,000,001 characters are shown$/,
  ],
  ["new Float64Array(6e7)", "execute_result", /\.\.\. 59999900 more items\n\]$/],
  ["Array(1e7).fill(1)", "execute_result", /^\[ (1, )+\.\.\. \d{7} more items \]$/],
  ["10n ** 1000n", "execute_result", /^10{1000}n$/],
  // printed and displayed
  ['console.log("I like 😀".slice(0, 8))', "stream", /^I like \ufffd\n$/],
  ['console.error("\\ude00", Object.create(null))', "stream", /^\ufffd \[Object: null prototype\] \{\}\n$/],
  ['console.log("x".repeat(5e8))', "stream", CUT],
  [
    'for (let i = 0; i < 500; i++) console.log("x".repeat(1e6 - 1))',
    "stream",
    /x\n… cut: a cell prints at most 10,000,000 characters\n$/,
  ],
  ['display.html("\\ud83d")', "display_data", /^$/],
  [
    'display.html("x".repeat(5e8))',
    "display_data",
    /^… left out, too large to be shown: text\/html of 500,000,000 characters$/,
  ],
  ['await show([{ a: "😀".repeat(2e8) }])', "display_data", /^a\n-+\n(😀){5000}…$/],
  [
    "await show({ data: [{ x: Array(6e6).fill(0.1234567) }], layout: {} })",
    "display_data",
    /^Figure \(trace 0\)\n… left out, too large/,
  ],
  // done to what the kernel itself uses
  [
    "Object.assign(Object.prototype, { toJSON: fail, then() {}, get: fail, value: 1, polluted: 1 }); undefined",
    "stream",
    /^Changes to Object\.prototype end with the cell, since they break the kernel: toJSON, then, get, value, polluted\n$/,
  ],
];

interface Notebook {
  cells: {
    execution_count: number;
    metadata: { execution: Record<string, string> };
    outputs: {
      output_type: string;
      name?: string;
      evalue?: string;
      text?: string | string[];
      data?: Record<string, string | string[]>;
    }[];
  }[];
}

const textOf = ({ evalue, text, data }: Notebook["cells"][0]["outputs"][0]): string =>
  [evalue ?? text ?? data!["text/plain"] ?? ""].flat().join("");

test(`the kernel answers after each of ${HOSTILE.length} hostile things thrown, printed or returned; the notebook is valid`, () => {
  const sources = [HELPERS, ...HOSTILE.flatMap(([code]) => [code, "6 * 7"])];
  const notebook = join(scratch, "hostile.ipynb");
  const executed = join(scratch, "executed.ipynb");
  writeFileSync(
    notebook,
    JSON.stringify({
      nbformat: 4,
      nbformat_minor: 5,
      metadata: { kernelspec: { name: "promptloss", display_name: "Promptloss", language: "typescript" } },
      cells: sources.map((source, i) => ({
        ...{ id: `c${i}`, cell_type: "code", metadata: {}, source, outputs: [], execution_count: null },
      })),
    }),
  );
  const options = ["--execute", "--allow-errors", "--ExecutePreprocessor.timeout=60", "--output", executed];
  const python = (...parameters: string[]) =>
    spawnSync(PYTHON, parameters, {
      encoding: "utf8",
      env: { ...process.env, JUPYTER_CONFIG_DIR: join(scratch, "config") },
    });
  const run = python("-m", "nbconvert", "--to", "notebook", ...options, notebook);
  assert.equal(run.status, 0, run.stderr);
  const check = python("-c", "import nbformat, sys; nbformat.validate(nbformat.read(sys.argv[1], 4))", executed);
  assert.equal(check.status, 0, check.stderr);

  const { cells } = JSON.parse(readFileSync(executed, "utf8")) as Notebook;
  assert.equal(cells.length, sources.length);
  assert.deepEqual(cells[0]!.outputs, []);
  HOSTILE.forEach(([code, type, wanted], i) => {
    const [{ outputs }, next] = cells.slice(1 + 2 * i) as [Notebook["cells"][0], Notebook["cells"][0]];
    const types = [...new Set(outputs.map(({ output_type: shown, name }) => name ?? shown))]; // a stream comes in parts
    assert.equal(types.length, 1, `${code}: ${types.join()}`);
    assert.equal(outputs[0]!.output_type, type, code);
    assert.match(outputs.map(textOf).join(""), wanted, code);
    assert.deepEqual(next.outputs.map(textOf), ["42"], `after ${code}`);
    const { "iopub.status.busy": busy, "iopub.status.idle": idle } = next.metadata.execution;
    const milliseconds = Date.parse(idle!) - Date.parse(busy!);
    assert.ok(milliseconds < 10_000, `the cell after ${code} took ${milliseconds} ms`);
  });
});

test("half of a character reaches no message, whatever it is in", async () => {
  const cells = await kernel.run(
    [
      'const half = "\\ud83d"; Object.assign(new Error(half), { name: half })',
      'import { display } from "tslab"; display.raw(`text/${half}`, half)',
      "throw Object.assign(new Error(half), { name: half, [half]: half })",
    ],
    { stop_on_error: false },
  );
  const texts = (value: unknown): string[] =>
    typeof value === "object" && value !== null ? Object.entries(value).flat().flatMap(texts) : [String(value)];
  for (const cell of cells)
    assert.ok(
      texts(cell).every((text) => halfCharacterIn(text) === undefined),
      JSON.stringify(cell),
    );
  assert.match(errorOf(cells[2]!)!.ename, /^\ufffd$/);
  const reply = await kernel.request("inspect_request", { code: "half", cursor_pos: 2, detail_level: 0 });
  assert.ok(
    texts(reply).every((text) => halfCharacterIn(text) === undefined),
    JSON.stringify(reply),
  );
});

test("an error that nothing caught between two cells fails the next one, whatever it is", async () => {
  for (const thrown of ["Proxy.revocable({}, {})", "null", "{ get name() { throw 1 } }"]) {
    const revoke = thrown.startsWith("Proxy") ? "thrown.revoke(); throw thrown.proxy" : "throw thrown";
    await kernel.runOne(`setTimeout(() => { const thrown: any = ${thrown}; ${revoke} }, 1); undefined`);
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.match(errorOf(await kernel.runOne("1"))!.traceback[0]!, /earlier cell left running failed/);
    assert.equal((await kernel.runOne("1")).reply.status, "ok");
  }
});

test("what a cell exports is declared as without export, also when the cell runs twice", async () => {
  const cell = [
    "export const x = 1;",
    "export let a = 2, { b } = { b: 3 };",
    "export function f(): number { return x + a + b; }",
    "export async function* g() {}",
    "export type T = number; export interface I { n: T } export enum E { A = 7 }",
    "export abstract class C { static n: T = 8; }",
    "export default class D extends C {}",
    "const y = 9, z = 10;",
    "export { y, z as renamed };",
    'export { join as joined } from "node:path"; export * as paths from "node:path";',
    "namespace N { export const inner = 11; }",
    'console.log("export const x = 1");',
  ].join("\n");
  const once = await kernel.runOne(cell);
  const twice = await kernel.runOne(cell);
  assert.deepEqual([once, twice].map(printed), Array(2).fill("export const x = 1\n"));
  const later =
    "const i: I = { n: f() }; [x, i.n, E.A, D.n, y, renamed, joined('a', 'b'), paths.sep, N.inner].join(' ')";
  const result = ({ outputs }: CellResult) => outputs.at(-1)!.content.data?.["text/plain"];
  assert.equal(result(await kernel.runOne(later)), "1 6 7 8 9 10 a/b / 11");
  assert.equal(result(await kernel.runOne("export default { x }")), "{ x: 1 }");
  assert.equal(result(await kernel.runOne("export default function () {}")), "[Function (anonymous)]");
  const wrong = errorOf(await kernel.runOne('export const text = "a";\nexport const number: number = text;'))!;
  assert.match(wrong.evalue, /^line 2:14: Type '"a"' is not assignable|^line 2:14: Type 'string' is not assignable/);
  const completed = await kernel.request("complete_request", { code: "export const n = joine", cursor_pos: 22 });
  assert.deepEqual([completed.matches, completed.cursor_start], [["joined"], 17]);
});
