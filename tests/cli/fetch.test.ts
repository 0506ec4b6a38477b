// The command fetch, against a local server in the Hub's place.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { hubServer, refuse, type Fault, type Repository } from "../support/hub-server";

const root = join(__dirname, "..", "..");
const COMMIT = "c0ffee".padEnd(40, "0");
const ROWS = Buffer.from(JSON.stringify([{ instruction: "a", input: "", output: "b" }]).padEnd(300_000));
const DATA: Repository = {
  kind: "dataset",
  name: "org/set",
  commit: COMMIT,
  files: { "rows.json": ROWS },
  card: { license: "cc-by-4.0" },
};
const MODEL: Repository = {
  kind: "model",
  name: "org/model",
  commit: COMMIT,
  files: { "config.json": Buffer.from("{}"), "model.safetensors": Buffer.alloc(1500, 1) },
  large: ["model.safetensors"],
};
const GATED: Repository = { ...MODEL, name: "org/gated" };

interface Answer {
  code: number | null;
  json: {
    fetched: { name: string }[];
    there: { name: string }[];
    failures: { name: string; message: string }[];
  } & Record<string, unknown>;
  stdout: string;
  stderr: string;
}

/** Starts a server and returns a function that runs the command in an empty folder. */
async function world(t: TestContext, fault?: Fault, others: Repository[] = []) {
  const dir = mkdtempSync(join(tmpdir(), "cli-fetch-"));
  t.after(() => rmSync(dir, { recursive: true }));
  const server = await hubServer(t, [DATA, MODEL, GATED, ...others], (request, response, content) => {
    if (request.url!.includes("/org/gated/resolve/")) return (refuse(response, 401, "GatedRepo"), true);
    return fault?.(request, response, content) ?? false;
  });
  const env = { ...process.env, HF_ENDPOINT: server.url, PROMPTLOSS_HUB: join(dir, "hub"), HF_TOKEN: "" };
  const start = (...args: string[]) => {
    const loader = join(root, "node_modules", "tsx", "dist", "loader.mjs");
    const command = ["--import", loader, join(root, "lib", "cli.ts"), "fetch", ...args, "--json"];
    const child = spawn(process.execPath, command, { cwd: dir, env });
    let [stdout, stderr] = ["", ""];
    child.stdout.on("data", (text: Buffer) => (stdout += text.toString()));
    child.stderr.on("data", (text: Buffer) => (stderr += text.toString()));
    const answer = new Promise<Answer>((resolve) => {
      child.on("close", (code) => {
        const json = JSON.parse(stdout.trim().split("\n").at(-1) || "{}") as Answer["json"];
        resolve({ code, json, stdout, stderr });
      });
    });
    return { child, answer };
  };
  return { dir, server, start, fetch: (...args: string[]) => start(...args).answer };
}

test("models and data sets are fetched; what cannot be had is named and does not stop the others", async (t) => {
  const { dir, fetch, server } = await world(t);
  const models = "hf:org/gated,hf:org/model,hf:org/none,hf:../x";
  const first = await fetch("--model", models, "--data", "hf:org/set,MMLU,hf:org/set");
  assert.equal(first.code, 1);
  assert.match(
    first.stderr,
    /hf:org\/model \(model, commit c0ffee0\): 2 files, 1\.5 kB to fetch; license: none stated; .*hub\/models\/org--model\/main/,
  );
  assert.match(first.stderr, /hf:org\/set \(dataset, commit c0ffee0\): 1 file, 300 kB to fetch; license: cc-by-4\.0/);
  assert.match(first.stderr, /30\d kB to fetch in all/);
  assert.deepEqual(
    first.json.fetched.map(({ name }) => name),
    ["hf:org/model", "hf:org/set"],
  );
  const messages = Object.fromEntries(first.json.failures.map(({ name, message }) => [name, message]));
  assert.deepEqual(Object.keys(messages).sort(), ["MMLU", "hf:../x", "hf:org/gated", "hf:org/none"]);
  assert.match(messages["hf:org/gated"], /is gated: sign in there and accept its terms.*HF_TOKEN/);
  assert.match(messages["hf:org/none"], /\/org\/none does not exist, or is private/);
  assert.match(messages.MMLU, /is not in the catalogue/);
  assert.match(messages["hf:../x"], /characters that the Hub does not allow/);
  assert.match(first.stdout, /^2 fetched, 4 not available:\n {2}hf:.*: .*\n/);
  assert.ok(readFileSync(join(dir, "hub", "datasets", "org--set", "main", "rows.json")).equals(ROWS));
  const before = server.seen.length;
  const second = await fetch("--model", "hf:org/model", "--data", "hf:org/set");
  assert.equal(second.code, 0, second.stderr);
  assert.match(second.stderr, /hf:org\/model .*: there already; .*\n[^]*\n0 B to fetch in all/);
  assert.match(second.stdout, /^0 fetched, 2 there already\n/);
  assert.deepEqual(
    second.json.there.map(({ name }) => name),
    ["hf:org/model", "hf:org/set"],
  );
  assert.equal(server.seen.length, before);
});

test("a study's models, data sets and benchmarks are fetched", async (t) => {
  const { dir, fetch } = await world(t);
  const study = join(dir, "study.json");
  const json = {
    name: "fetched",
    models: { M: "hf:org/model" },
    datasets: { D: { path: "hf:org/set#rows.json" } },
    plws: [0],
    tasks: ["piqa", "pocket"],
  };
  writeFileSync(study, JSON.stringify(json));
  const { code, json: answer, stderr } = await fetch("--study", study, "--dir", join(dir, "data"));
  assert.equal(code, 1, stderr);
  assert.deepEqual(
    answer.fetched.map(({ name }) => name),
    ["hf:org/model", "hf:org/set#rows.json"],
  );
  assert.deepEqual(
    answer.failures.map(({ name }) => name),
    ["PIQA"], // the local server does not have it
  );
  assert.ok(!existsSync(join(dir, "data")));
});

test("Ctrl-C keeps the partial file, and the same command continues it", async (t) => {
  let answers = 0;
  const { start, fetch, server } = await world(t, (request, response, content) => {
    const isContent = request.url!.includes("/resolve/") && request.headers.range !== "bytes=0-0";
    if (!isContent || answers++ > 0) return false;
    response.writeHead(200, { "content-length": content!.length }).write(content!.subarray(0, 100_000)); // then silence
    return true;
  });
  const { child, answer } = start("--data", "hf:org/set");
  child.stderr.on("data", (text: Buffer) => {
    if (/of 300 kB.*\(rows\.json\)/.test(text.toString())) setTimeout(() => child.kill("SIGINT"), 300);
  });
  const stopped = await answer;
  assert.equal(stopped.code, 1);
  assert.equal(stopped.json.interrupted, true);
  assert.match(stopped.stdout, /^0 fetched\nInterrupted\. Partial files are kept; the same command continues\.\n/);
  assert.deepEqual(stopped.json.failures, []);
  const continued = await fetch("--data", "hf:org/set");
  assert.equal(continued.code, 0, continued.stderr);
  assert.match(continued.stderr, /1 file, 200 kB to fetch/);
  assert.equal(server.seen.at(-1)!.range, "bytes=100000-");
  assert.equal(server.contentBytes(), 200_000);
});

test("the paper's study: what the server has is fetched, everything else is named with its reason", async (t) => {
  const llama: Repository = {
    ...MODEL,
    name: "huggyllama/llama-7b",
    files: { ...MODEL.files, "tokenizer.json": Buffer.from("{}") },
  };
  const alpaca: Repository = {
    ...DATA,
    name: "tatsu-lab/alpaca",
    commit: "dce01c9b08f87459cf36a430d809084718273017",
    files: { "data/train.parquet": ROWS },
    card: { license: "cc-by-nc-4.0" },
  };
  const { dir, fetch } = await world(
    t,
    (request, response) =>
      request.url!.includes("/Llama-2-7b-hf/resolve/") ? (refuse(response, 403, "GatedRepo"), true) : false,
    [llama, { ...llama, name: "meta-llama/Llama-2-7b-hf" }, alpaca],
  );
  const study = join(root, "studies", "paper.json");
  const { code, json, stderr } = await fetch("--study", study, "--dir", join(dir, "benchmarks"));
  assert.equal(code, 1);
  assert.match(stderr, /hf:tatsu-lab\/alpaca@dce01c9\w* \(dataset, commit dce01c9\): 1 file, 300 kB.*cc-by-nc-4\.0/);
  assert.deepEqual(
    json.fetched.map(({ name }) => name.replace(/@.*/, "")).filter((name) => name !== "PandaLM"),
    ["hf:huggyllama/llama-7b", "hf:tatsu-lab/alpaca"],
  );
  const reasons = Object.fromEntries(json.failures.map(({ name, message }) => [name.replace(/@.*/, ""), message]));
  assert.match(reasons["hf:meta-llama/Llama-2-7b-hf"], /HF_TOKEN/);
  delete reasons.PandaLM; // it comes from GitHub, which may be within reach
  const benchmarks = ["ARC Challenge", "PIQA", "TruthfulQA", "WinoGrande", "WMT14", "WMT16", "Alpaca Eval"];
  assert.deepEqual(
    Object.keys(reasons).sort(),
    ["hf:meta-llama/Llama-2-7b-hf", "hf:yahma/alpaca-cleaned", ...benchmarks].sort(),
  );
  assert.ok(existsSync(join(dir, "hub", "models", "huggyllama--llama-7b", "main", "model.safetensors")));
});

test("wrong options are refused", async (t) => {
  const { fetch } = await world(t);
  const wrong = await fetch("--model", "models/x");
  assert.equal(wrong.code, 1);
  assert.match((wrong.json.error as { message: string }).message, /--model: write hf:owner\/name, got models\/x/);
});
