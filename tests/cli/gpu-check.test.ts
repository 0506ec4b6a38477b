import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { SIZES } from "../../lib/cli/gpu-check/cases";
import { checkModelConfig } from "../../lib/model/config";
import { parameterShapes } from "../../lib/model/parameters";
import { expectedDevice } from "../../lib/model/gpu";
import { temporaryFolder } from "../runs/world";

const root = join(__dirname, "..", "..");
const dir = temporaryFolder();
const skip = expectedDevice() === "CPU" ? false : "takes minutes on a GPU";

type Row = Record<string, unknown> & { part: string };

/** Runs the command; `whenWritten` is called once the file has a row. */
async function gpuCheck(out: string, args: string[], whenWritten?: (pid: number) => void) {
  const child = spawn(
    process.execPath,
    ["--import", "tsx", "lib/cli.ts", "gpu-check", "--out", out, "--json", ...args],
    { cwd: root, stdio: ["ignore", "pipe", "pipe"] },
  );
  let [stdout, stderr] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const watch = setInterval(() => {
    if (!existsSync(out) || readFileSync(out, "utf8") === "") return;
    clearInterval(watch);
    whenWritten?.(child.pid!);
  }, 100);
  const code = await new Promise<number | null>((resolve) => {
    child.once("close", resolve);
  });
  clearInterval(watch);
  const rows = readFileSync(out, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Row);
  const json = JSON.parse(stdout.trim().split("\n").at(-1)!) as { ok: boolean; device: string; rows: Row[] };
  assert.deepEqual(json.rows, rows, stderr);
  return { code, rows, json };
}

test(
  "everything is measured on a CPU, and a peer that fails is a row that says so",
  { skip, timeout: 600_000 },
  async () => {
    const python = join(dir, "python"); // an interpreter without PyTorch
    writeFileSync(python, "#!/bin/sh\necho \"ModuleNotFoundError: No module named 'torch'\" >&2\nexit 1\n");
    chmodSync(python, 0o755);
    const { code, rows, json } = await gpuCheck(join(dir, "all.jsonl"), ["--python", python]);
    assert.deepEqual([code, json.ok, json.device], [1, false, "CPU"]);
    const of = (part: string) => rows.filter((row) => row.part === part);
    for (const row of rows.filter(({ part }) => part !== "PyTorch")) {
      assert.ok(row.error === undefined && row.skipped === undefined, JSON.stringify(row));
    }
    assert.equal(of("doctor").length, 1);
    const [parity] = of("parity");
    assert.equal(parity.ok, true);
    assert.ok(
      Object.values(parity.worst as object).every((x) => (x as number) > 0),
      "nothing was compared",
    );
    assert.deepEqual(
      of("training").map(({ size }) => size),
      SIZES.CPU.map(({ name }) => name),
    );
    for (const row of [...of("training"), ...of("generation"), ...of("scoring")])
      assert.ok((row.tokensPerSecond as number) > 0 && (row.processMemory as number) > 1e8, JSON.stringify(row));
    assert.equal(of("repeat")[0].equal, true);
    const [resumed] = of("kill and resume");
    assert.deepEqual([resumed.ok, resumed.equal, resumed.fromSteps], [true, true, [0, 5]]);
    assert.ok(of("PyTorch").length >= SIZES.CPU.length);
    for (const { error } of of("PyTorch")) assert.match(String(error), /No module named 'torch'/);
  },
);

test(
  "a stop in the middle leaves what was measured; without time or PyTorch a row says so",
  { skip, timeout: 300_000 },
  async () => {
    const stopped = await gpuCheck(join(dir, "stopped.jsonl"), [], (pid) => process.kill(pid, "SIGTERM"));
    assert.ok(stopped.rows[0].part === "doctor" && stopped.rows[0].checks !== undefined);
    const without = stopped.rows.filter(({ part }) => part === "PyTorch");
    assert.match(String(without[0].skipped), /no --python/);
    const others = stopped.rows.slice(1).filter(({ part }) => part !== "PyTorch");
    assert.ok(others.length > 5 && others.every(({ error, skipped }) => error === "stopped" || skipped === "stopped"));

    const hurried = await gpuCheck(join(dir, "hurried.jsonl"), ["--minutes", "0.01"]);
    assert.deepEqual([hurried.code, hurried.json.ok], [0, true]);
    for (const row of hurried.rows.filter(({ part }) => part !== "PyTorch")) assert.equal(row.skipped, "no time left");
  },
);

test("the models of a GPU are valid, and as large as their names say", () => {
  for (const { name, config } of SIZES.GPU) {
    checkModelConfig(config, name);
    const shapes = [...parameterShapes(config).values()];
    const parameters = shapes.reduce((sum, shape) => sum + shape.reduce((product, n) => product * n, 1), 0);
    const [number, unit] = name.split(" ");
    const named = Number(number) * (unit === "B" ? 1e9 : 1e6);
    assert.ok(Math.abs(parameters / named - 1) < 0.05, `${name}: ${parameters}`);
  }
});
