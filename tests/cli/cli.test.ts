import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import type { Example } from "../../lib/data/example";
import type { RunRecord } from "../../lib/runs/store";
import { QUICK, readJson, temporaryFolder, tinyExamples, tinyModel, writeJson } from "../runs/world";

const root = join(__dirname, "..", "..");
const dir = temporaryFolder();
const model = tinyModel(join(dir, "model"), 1);
const data = writeJson(join(dir, "data.json"), tinyExamples(12, 1));
const store = join(dir, "runs");
const study = writeJson(join(dir, "study.json"), {
  name: "cli",
  models: { tiny: model },
  datasets: { One: { path: data } },
  plws: [0.1],
  hyperparameters: QUICK,
});

function writeText(name: string, text: string): string {
  writeFileSync(join(dir, name), text);
  return join(dir, name);
}

/** Runs a command from another folder; `json` is the parsed last line of standard output, if that is JSON. */
function promptloss(
  ...args: string[]
): Promise<{ code: number | null; json: Record<string, unknown>; stdout: string; stderr: string }> {
  const child = spawn(
    process.execPath,
    ["--import", join(root, "node_modules", "tsx", "dist", "loader.mjs"), join(root, "lib", "cli.ts"), ...args],
    { cwd: dir },
  );
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (text: Buffer) => {
    stdout += text.toString();
  });
  child.stderr.on("data", (text: Buffer) => {
    stderr += text.toString();
  });
  return new Promise((resolve) => {
    child.on("close", (code) => {
      const last = stdout.trim().split("\n").at(-1)!;
      resolve({
        code,
        json: last.startsWith("{") ? (JSON.parse(last) as Record<string, unknown>) : {},
        stdout,
        stderr,
      });
    });
  });
}

test("sweep, status and train agree on the runs", { timeout: 400_000 }, async () => {
  const missing = await promptloss("status", "--study", study, "--store", store, "--json");
  assert.deepEqual(missing.json.counts, { missing: 1 });
  const swept = await promptloss("sweep", "--study", study, "--store", store, "--json");
  assert.equal(swept.code, 0, swept.stderr);
  assert.deepEqual([swept.json.complete, swept.json.cached, swept.json.trained], [1, 0, 1]);
  const [{ id }] = swept.json.runs as { id: string }[];
  const trained = await promptloss(
    "train",
    "--study",
    study,
    "--model",
    "tiny",
    "--dataset",
    "One",
    "--plw",
    "0.1",
    "--store",
    store,
    "--json",
  );
  assert.equal(trained.json.id, id);
  assert.equal(trained.json.steps, 6);
  assert.deepEqual((await promptloss("status", "--study", study, "--store", store, "--json")).json.counts, {
    complete: 1,
  });
});

test("train takes everything from the study, as a sweep does: variant, weights, rows that are left out, threads", async () => {
  const full = {
    name: "full",
    models: { tiny: model },
    datasets: { One: { path: data } },
    plws: [0.1],
    completionWeights: [0.5, 1],
    partWeights: [{ end: 0.2 }],
    dropEmpty: true,
    threads: 1,
    hyperparameters: { ...QUICK, maxSteps: 2 },
    variants: { slow: { learningRate: 1e-5 }, fast: { learningRate: 1e-2 } },
  };
  const args = ["--study", writeJson(join(dir, "full.json"), full), "--store", store, "--json"];
  const status = await promptloss("status", ...args);
  const [slow, fast, whole] = status.json.runs as { id: string }[];
  const one = ["train", "--model", "tiny", "--dataset", "One", "--plw", "0.1", ...args];
  assert.equal((await promptloss(...one)).json.id, slow.id);
  assert.equal((await promptloss(...one, "--variant", "fast")).json.id, fast.id);
  const weighted = await promptloss(...one, "--completion-weight", "1");
  assert.deepEqual(
    [weighted.json.id, weighted.json.name],
    [whole.id, "tiny · One · PLW 0.1 · end 0.2 · weights · seed 42"],
  );
  const others = await promptloss(...one, "--part-weight", "end=0,assistant=.5", "--turns", "last");
  assert.equal(
    others.json.name,
    "tiny · One · PLW 0.1 · λr 0.5 · assistant 0.5, end 0 · last turn only · weights · seed 42",
  );
  const wrong = await promptloss(...one, "--variant", "medium");
  assert.match(wrong.stderr, /--variant: study full has no variant "medium"; its variants: slow, fast\./);
});

test("what is no part of a CPU's recipe does not stand in the way of train", async () => {
  const settings = JSON.stringify({ ...QUICK, maxSteps: 1, deterministic: true });
  const rows = ["--model", model, "--data", data, "--plw", "0", "--store", store];
  const trained = await promptloss("train", ...rows, "--hyperparameters", settings, "--json");
  assert.equal(trained.code, 0, trained.stderr);
});

test("evaluate scores a model, one run, and a study's runs", { timeout: 400_000 }, async () => {
  const fixtures = join(root, "tests", "evaluate", "fixtures");
  const rows = ["--tasks", "piqa", "--data", join(fixtures, "data"), "--limit", "2", "--json"];
  const modelScores = await promptloss("evaluate", "--model", join(fixtures, "model"), ...rows);
  assert.equal(modelScores.code, 0, modelScores.stderr);
  const [{ task, items, metrics }] = modelScores.json.results as {
    task: string;
    items: number;
    metrics: Record<string, number>;
  }[];
  assert.deepEqual([task, items, Object.keys(metrics)], ["piqa", 2, ["acc", "acc_norm"]]);
  const studyScores = await promptloss("evaluate", "--study", study, "--store", store, ...rows);
  assert.equal(studyScores.code, 0, studyScores.stderr);
  const [run] = studyScores.json.runs as { id: string; results: object[] }[];
  assert.equal(run.results.length, 1);
  assert.deepEqual(studyScores.stderr.match(/1 of 1 runs evaluated.*/g), ["1 of 1 runs evaluated"]);
  assert.deepEqual(
    (await promptloss("evaluate", "--run", run.id, "--store", store, ...rows)).json.runs,
    studyScores.json.runs,
  );
  const wrong = await promptloss("evaluate", "--run", "nothing", "--store", store, ...rows);
  assert.match((wrong.json.error as { message: string }).message, /has no run "nothing"/);
});

test("describe and transform", async () => {
  const described = await promptloss("describe", "--study", study, "--json");
  assert.equal((described.json.datasets as Record<string, { rows: number }>).One.rows, 12);
  const out = join(dir, "short.json");
  const transformed = await promptloss("transform", "--data", data, "--tokenizer", model, "--out", out, "--json");
  assert.equal(transformed.json.rows, 12);
  assert.ok(readJson<Example[]>(out).some(({ instruction }) => instruction.startsWith("Predict the prompt")));
});

test("errors are one JSON object, and the exit code is 1", async () => {
  const wrong = await promptloss("train", "--model", model, "--data", data, "--plw=-0.1", "--store", store, "--json");
  assert.equal(wrong.code, 1);
  assert.match(
    (wrong.json.error as { message: string }).message,
    /--plw: must be a finite number of at least 0, got -0\.1/,
  );
  for (const [args, message] of [
    [["train", "--plw", "x", "--model", model, "--data", data], /--plw: must be a number, got "x"/],
    [["train", "--model", model, "--data", data], /--plw: missing/],
    [
      ["train", "--plw", "0", "--model", model, "--data", data, "--normalizer", "mean"],
      /--normalizer: must be one of weights, tokens, completion, sequence, .*got "mean"/,
    ],
    [
      ["train", "--plw", "0", "--model", model, "--data", data, "--completion-weight=-1"],
      /--completion-weight: must be a finite number of at least 0, got -1/,
    ],
    ...["end", "end=", "end=x", "end=1,end=1", "end=1=2", ""].map((weights): [string[], RegExp] => [
      ["train", "--plw", "0", "--model", model, "--data", data, `--part-weight=${weights}`],
      /--part-weight: must be (part=w,… with each part once|a number), got/,
    ]),
    [
      ["train", "--plw", "0", "--model", model, "--data", data, "--part-weight", "ends=1"],
      /--part-weight: ends: unknown key; known keys: template, system/,
    ],
    [
      ["train", "--plw", "0", "--model", model, "--data", data, "--turns", "first"],
      /--turns: must be one of all, last, got "first"/,
    ],
    ...["", " ", "0x1", "Infinity"].map((plw): [string[], RegExp] => [
      ["train", `--plw=${plw}`, "--model", model, "--data", data],
      new RegExp(`--plw: must be a number, got "${plw}"`),
    ]),
    [["train", "--plw", "1e300", "--model", model, "--data", data], /--plw: must fit into float32.*got 1e\+300/],
    [["train", "--plw", "0", "--plw", "1", "--model", model, "--data", data], /--plw: given more than once/],
    [
      ["train", "--plw", "0", "--model", model, "--data", data, "--hyperparameters", '{"lr": 1}'],
      /--hyperparameters: lr: unknown key; known keys: learningRate/,
    ],
    [["train", "--plw", "0", "--model", "constructor", "--dataset", "One", "--study", study], /no model "constructor"/],
    [["train", "--plw", "0", "--model", "tiny", "--dataset", "__proto__", "--study", study], /no data set "__proto__"/],
    [["sweep", "--study", join(dir, "no.json")], /no such study file/],
    [["sweep", "--nonsense"], /no option --nonsense\..*Usage: sweep/],
    [["swep"], /no command "swep"/],
  ] as [string[], RegExp][]) {
    const { code, json } = await promptloss(...args, "--json");
    assert.equal(code, 1, args.join(" "));
    assert.match((json.error as { message: string }).message, message);
  }
});

test("train names the rows in which the tokenizer's token and one of the text stand side by side", async () => {
  const rows = readJson<Example[]>(data).map((row, i) => (i < 2 ? { ...row, output: `${row.output}</s>` } : row));
  const doubled = writeJson(join(dir, "doubled.json"), rows);
  const hyperparameters = ["--hyperparameters", JSON.stringify({ ...QUICK, maxSteps: 1 })];
  const args = ["train", "--model", model, "--data", doubled, "--plw", "0", "--store", store, ...hyperparameters];
  const { json } = await promptloss(...args, "--json");
  assert.equal(json.rowsWithDoubledSpecialTokens, 2);
  assert.deepEqual(readJson<RunRecord>(join(json.dir as string, "run.json")).rows.doubledSpecialTokens, [0, 1]);
  assert.match((await promptloss(...args)).stdout, /2 rows with a beginning- or end-of-sequence token twice/);
});

test("what a terminal would obey is shown on stdout and stderr, and escaped in JSON", async () => {
  const odd = "\u001b]0;x\u0007\u009b1m\u202e";
  const rows = writeJson(join(dir, "odd.json"), [{ instruction: odd, output: "b" }]);
  const described = await promptloss("describe", "--data", rows, "--tokenizer", model, "--dataset", odd, "--json");
  const missing = await promptloss("describe", "--data", `${odd}.json`, "--tokenizer", model, "--json");
  const broken = await promptloss("describe", "--study", writeText("broken.json", `{"name": "a", ${odd}`));
  assert.match(missing.stderr, /␛\]0;x␇⟨U\+009B⟩1m⟨U\+202E⟩\.json: there is no such file/);
  assert.match(broken.stderr, /broken\.json: not valid JSON at line 1, column 15/);
  for (const { stdout, stderr } of [described, missing, broken]) {
    assert.doesNotMatch(stdout + stderr, /[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]/);
  }
});

test("doctor: all checks pass on this machine", { timeout: 400_000 }, async () => {
  const { json } = await promptloss("doctor", "--store", store, "--json");
  const checks = json.checks as { name: string; ok: boolean; detail: string }[];
  assert.deepEqual(
    checks.filter(({ name, ok }) => !ok && name !== "browser for figures"),
    [],
  );
  assert.match(checks.find(({ name }) => name === "TensorFlow")!.detail, /^\d+\.\d+\.\d+ on the (CPU|GPU)/);
});
