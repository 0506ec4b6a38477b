// promptloss audit: what it prints, and its exit codes.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { copyFileSync, cpSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { Audit } from "../../lib/data/audit/audit";
import { QUICK, temporaryFolder, tinyExamples, tinyModel, writeJson } from "../runs/world";

const root = join(__dirname, "..", "..");
const dir = temporaryFolder();
const model = tinyModel(join(dir, "model"), 1);
const good = tinyExamples(12, 1).map((row, i) => ({ ...row, instruction: `${row.instruction} ${i}` }));
const data = writeJson(join(dir, "good.json"), good);
const long = [...good.slice(0, 3), { instruction: "Say it. ".repeat(200), input: "", output: "It." }];
const cut = writeJson(join(dir, "cut.json"), long);

/** Runs `audit`; `json` is the last line of standard output, where that is JSON. */
function audit(...args: string[]): { code: number | null; json: Result; stdout: string; stderr: string } {
  const loader = join(root, "node_modules", "tsx", "dist", "loader.mjs");
  const command = ["--import", loader, join(root, "lib", "cli.ts"), "audit", ...args];
  const { status, stdout, stderr } = spawnSync(process.execPath, command, { cwd: dir, encoding: "utf8" });
  const last = stdout.trim().split("\n").at(-1)!;
  return { code: status, json: (last.startsWith("{") ? JSON.parse(last) : {}) as Result, stdout, stderr };
}

interface Result {
  datasets: Record<string, Audit>;
  failing: { dataset: string; kind: string; count: number }[];
  files?: Record<string, string>;
  error?: { message: string };
}

test("a file without problems: exit code 0, parts and shares", () => {
  const { code, json, stdout, stderr } = audit("--data", data, "--model", model, "--plws", "0,1", "--json");
  assert.equal(code, 0, stdout + stderr);
  assert.deepEqual(json.failing, []);
  assert.deepEqual([json.datasets["good.json"].rows, json.datasets["good.json"].trained], [12, 12]);
  assert.match(stdout, /assistant, completion +\d+ +[\d.]+ % +[\d.]+ % +[\d.]+ %/);
  assert.match(stdout, /No row loses learning\./);
});

test("an answer that is lost: exit code 1, unless that kind is allowed", () => {
  const args = ["--data", cut, "--model", model, "--json"];
  const { code, json, stdout } = audit(...args);
  assert.equal(code, 1);
  assert.deepEqual(json.failing, [{ dataset: "cut.json", kind: "answer-lost", count: 1 }]);
  assert.match(stdout, /! answer-lost: 1: .*row 3\n/);
  assert.match(stdout, /Rows lose learning \(answer-lost\)/);
  assert.equal(audit(...args, "--allow", "answer-cut").code, 1);
  const allowed = audit(...args, "--allow", "answer-cut,answer-lost");
  assert.deepEqual([allowed.code, allowed.json.failing], [0, []]);
  assert.equal(audit(...args, "--max-length", "5000").code, 0, "with more room nothing is lost");
});

test("a study: its data sets as it trains on them, and a table for an appendix", () => {
  const study = writeJson(join(dir, "study.json"), {
    name: "audited",
    models: { tiny: model },
    datasets: { Good: { path: data }, "Cut\u202e & <b>": { path: cut } },
    plws: [0, 0.1],
    normalizers: ["weights", "sequence"],
    hyperparameters: QUICK,
  });
  const { code, json, stdout, stderr } = audit("--study", study, "--out", "tables/audit", "--json");
  assert.equal(code, 1, stderr);
  assert.deepEqual(Object.keys(json.datasets), ["Good", "Cut\u202e & <b>"]);
  const settings = new Set(json.datasets.Good.shares.map(({ plw, normalizer }) => `${plw} ${normalizer}`));
  assert.deepEqual([...settings], ["0 weights", "0.1 weights", "0 sequence", "0.1 sequence"]);
  assert.doesNotMatch(stdout, /\u202e/, "a character that turns the line");
  const [csv, tex, html] = ["csv", "tex", "html"].map((type) =>
    readFileSync(join(dir, "tables", `audit.${type}`), "utf8"),
  );
  assert.match(csv, /^dataset,part,role,tokens,tokenShare,normalizer,plw,lossShare\n/);
  assert.match(tex, /\\& \$<\$b\$>\$/);
  assert.doesNotMatch(html, /<b>|\u202e/);
  assert.equal(audit("--study", study, "--dataset", "Good").code, 0, "one data set alone");
  const weighted = writeJson(join(dir, "weighted.json"), {
    ...(JSON.parse(readFileSync(study, "utf8")) as object),
    name: "weighted",
    completionWeights: [1, 0.5],
    partWeights: [{}, { end: 0 }],
  });
  const { failing, datasets } = audit("--study", weighted, "--dataset", "Good", "--json").json;
  assert.deepEqual(
    Object.keys(datasets),
    ["λr 1", "λr 1 · end 0", "λr 0.5", "λr 0.5 · end 0"].map((w) => `Good · ${w}`),
  );
  assert.deepEqual(
    failing.map(({ dataset, kind, count }) => [dataset, kind, count]),
    ["Good · λr 1 · end 0", "Good · λr 0.5 · end 0"].map((name) => [name, "end-without-weight", 12]),
  );
});

test("a study with variants: as its first variant trains", () => {
  const study = writeJson(join(dir, "variants.json"), {
    name: "variants",
    models: { tiny: model },
    datasets: { Good: { path: data } },
    plws: [0],
    hyperparameters: QUICK,
    variants: { short: { maxLength: 40 }, long: {} },
  });
  const { code, json } = audit("--study", study, "--json");
  assert.equal(code, 1);
  assert.ok(json.failing.some(({ kind }) => kind === "answer-cut" || kind === "answer-lost"));
});

test("a study of conversations: as its chat template renders them", () => {
  const study = writeJson(join(dir, "chats.json"), {
    name: "chats",
    models: { pocket: join(root, "datasets", "pocket", "models", "pocket-1") },
    datasets: { Chats: { path: join(root, "datasets", "pocket", "conversations", "heldout.json") } },
    template: join(root, "datasets", "pocket", "chat.jinja"),
    plws: [0, 1],
    hyperparameters: { ...QUICK, maxLength: 1024 },
  });
  const { code, json, stdout, stderr } = audit("--study", study, "--json");
  assert.equal(code, 0, stdout + stderr);
  const { rows, trained, shares } = json.datasets.Chats;
  assert.equal(trained, rows);
  const user = shares.filter(({ part }) => part === "user");
  assert.ok(user.length > 0 && user.every(({ plw, share }) => share > 0 === (plw === 1)));
});

test("conversations: through a chat template, by its exit code", () => {
  const chats = join(root, "datasets", "pocket", "conversations", "heldout.json");
  const tokenizer = join(root, "datasets", "pocket", "models", "pocket-1");
  const template = join(root, "datasets", "pocket", "chat.jinja");
  const args = ["--data", chats, "--model", tokenizer, "--chat-template", template, "--max-length", "1024", "--json"];
  const { code, json, stdout, stderr } = audit(...args);
  assert.equal(code, 0, stdout + stderr);
  const { rows, trained, parts } = json.datasets["heldout.json"];
  assert.equal(trained, rows);
  assert.ok(parts.some(({ part, role }) => part === "end" && role === "completion"));
  assert.equal(audit(...args, "--max-length", "40").code, 1, "answers are cut");
});

test("a chat template that is not valid Jinja is named with what is wrong: exit code 1", () => {
  const chats = join(root, "datasets", "pocket", "conversations", "heldout.json");
  const tokenizer = join(root, "datasets", "pocket", "models", "pocket-1");
  const broken = join(dir, "broken.jinja");
  writeFileSync(broken, "{% for message in messages %}{{ message.content }}");
  const study = (name: string, more: object) =>
    writeJson(join(dir, `${name}.json`), {
      name,
      datasets: { Chats: { path: chats } },
      hyperparameters: QUICK,
      ...more,
    });
  const inline = { name: "mine", jinja: "{{ message.content" };
  const ownTemplate = join(dir, "own");
  cpSync(tokenizer, ownTemplate, { recursive: true });
  copyFileSync(broken, join(ownTemplate, "chat_template.jinja"));
  const models = { pocket: tokenizer };
  for (const [args, message] of [
    [["--data", chats, "--model", tokenizer, "--chat-template", broken], /broken\.jinja: is not valid Jinja: ./],
    [["--data", chats, "--model", ownTemplate], /the tokenizer's": is not valid Jinja: ./],
    [["--study", study("file", { models, template: broken })], /template: .*broken\.jinja: is not valid Jinja: ./],
    [["--study", study("inline", { models, template: inline })], /template\.jinja: is not valid Jinja: ./],
    [["--study", study("model", { models: { own: ownTemplate } })], /own: chat template .*: is not valid Jinja: ./],
  ] as [string[], RegExp][]) {
    const { code, json, stderr } = audit(...args, "--json");
    assert.equal(code, 1);
    assert.match(json.error?.message ?? "", message);
    assert.doesNotMatch(stderr, /\n {4}at /, "no stack");
  }
});

test("wrong options are named: exit code 1", () => {
  for (const [args, message] of [
    [["--data", data], /--model: missing/],
    [["--data", data, "--model", model, "--allow", "everything"], /--allow: .*must be one of refused/],
    [["--data", data, "--model", model, "--plws", "0,-1"], /--plws: must be a finite number of at least 0/],
    [["--data", data, "--model", model, "--normalizers", "mean"], /--normalizers: .*must be one of weights/],
    [["--data", data, "--model", model, "--part-weight", "ends=1"], /--part-weight: ends: unknown key/],
    [["--data", data, "--model", model, "--markers", '[""]'], /--markers: .*non-empty/],
    [["--plws", "1"], /--plws: goes with --data/],
    [["--markers", '["a"]'], /--markers: goes with --data/],
    [["--data", data, "--model", model, "--dataset", "Good"], /--dataset: is about a study's data sets/],
  ] as [string[], RegExp][]) {
    const { code, json } = audit(...args, "--json");
    assert.equal(code, 1, args.join(" "));
    assert.match(json.error?.message ?? "", message);
  }
  assert.ok(!existsSync(join(dir, "audit.csv")), "nothing is written unasked");
});
