// Relative paths on the command line count from where the caller stands, those in study files from the repository.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { UsageError, pathOf, programOf, requiredPath } from "../../lib/cli/values";
import { readJson, temporaryFolder, tinyExamples, tinyModel, writeJson } from "../runs/world";

const root = join(__dirname, "..", "..");
const dir = temporaryFolder();
const [here, callersFolder] = [process.cwd(), process.env.INIT_CWD];
after(() => {
  process.chdir(here);
  if (callersFolder === undefined) delete process.env.INIT_CWD;
  else process.env.INIT_CWD = callersFolder;
});

const withoutInitCwd = { ...process.env, INIT_CWD: undefined };
const cli = ["--import", join(root, "node_modules", "tsx", "dist", "loader.mjs"), join(root, "lib", "cli.ts")];

/** The last line of a program's output as JSON. */
function jsonOf(program: string, args: string[], cwd: string, env: NodeJS.ProcessEnv): Record<string, unknown> {
  const { stdout, stderr } = spawnSync(program, args, { cwd, env, encoding: "utf8" });
  const last = stdout.trimEnd().split("\n").at(-1)!;
  assert.match(last, /^\{/, stderr);
  return JSON.parse(last) as Record<string, unknown>;
}

test("a relative path counts from the caller's folder; npm runs in the root and names that folder in INIT_CWD", () => {
  process.chdir(dir);
  delete process.env.INIT_CWD;
  assert.equal(pathOf({ study: "a/b.json" }, "study"), join(dir, "a", "b.json"));
  process.env.INIT_CWD = "/elsewhere"; // inherited from an npm script around: this process was called here
  assert.equal(pathOf({ study: "../b.json" }, "study"), join(dir, "..", "b.json"));
  process.chdir(root);
  assert.equal(pathOf({ study: "./b.json" }, "study"), "/elsewhere/b.json");
  assert.equal(pathOf({ study: "/c/b.json" }, "study"), "/c/b.json");
  assert.equal(pathOf({ study: "~/b.json" }, "study"), "/elsewhere/~/b.json"); // the shell expands it, or nobody
  assert.equal(requiredPath({ out: "x" }, "out"), "/elsewhere/x");
  delete process.env.INIT_CWD;
  assert.equal(pathOf({ study: "b.json" }, "study"), join(root, "b.json"));
});

test("a program is a path like any other, or a name that the system looks up", () => {
  process.chdir(dir);
  delete process.env.INIT_CWD;
  assert.equal(programOf({ python: "./venv/bin/python" }, "python"), join(dir, "venv", "bin", "python"));
  assert.equal(programOf({ python: "python3" }, "python"), "python3");
  assert.equal(programOf({}, "python"), undefined);
});

test("without the option there is no path; an empty one is refused", () => {
  assert.equal(pathOf({}, "study"), undefined);
  assert.throws(() => pathOf({ study: "" }, "study"), new UsageError('--study: must be a path, got ""'));
  assert.throws(() => requiredPath({}, "out"), /--out: missing/);
});

test("npm with --prefix, npm in a sub-folder, and no npm: ./mine.json is the caller's, the paths in it are not", () => {
  const study = { ...readJson<object>(join(root, "studies", "pocket.json")), name: "mine", plws: [0.1] };
  writeJson(join(dir, "mine.json"), study);
  const status = ["status", "--study", "./mine.json", "--store", "runs", "--json"];
  const expected = { study: "mine", store: join(dir, "runs"), counts: { missing: 10 }, failures: [] };
  for (const [program, ...args] of [
    ["npm", "--prefix", root, "run", "-s", "promptloss", "--", ...status],
    [process.execPath, ...cli, ...status],
  ]) {
    const { study, store, counts, failures } = jsonOf(program, args, dir, withoutInitCwd);
    assert.deepEqual({ study, store, counts, failures }, expected, program);
  }
  const inRepository = ["run", "-s", "promptloss", "--", "status", "--study", "pocket.json", "--store", dir, "--json"];
  const { study: name, store } = jsonOf("npm", inRepository, join(root, "studies"), withoutInitCwd);
  assert.deepEqual([name, store], ["pocket", dir]);
});

test("data, tokenizer and output of a command", () => {
  const model = tinyModel(join(dir, "model"), 1);
  writeJson(join(dir, "data.json"), tinyExamples(12, 1));
  const below = join(dir, "below");
  mkdirSync(below);
  const options = ["--data", "../data.json", "--tokenizer", "../model", "--out", "short.json", "--json"];
  const { out, rows } = jsonOf(process.execPath, [...cli, "transform", ...options], below, withoutInitCwd);
  assert.deepEqual([out, rows], [join(below, "short.json"), 12]);
  assert.equal((JSON.parse(readFileSync(join(below, "short.json"), "utf8")) as object[]).length, 12);
  const described = [...cli, "describe", "--data", "data.json", "--tokenizer", model, "--json"];
  const { datasets } = jsonOf(process.execPath, described, root, { ...process.env, INIT_CWD: dir });
  assert.equal((datasets as Record<string, { rows: number }>)["data.json"].rows, 12);
});
