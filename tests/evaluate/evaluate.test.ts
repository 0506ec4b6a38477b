import assert from "node:assert/strict";
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { after, test } from "node:test";
import { ALPACA_TEMPLATE } from "../../lib/data/template";
import { TasksFailedError, evaluate } from "../../lib/evaluate/evaluate";
import { allTasks } from "../../lib/evaluate/registry";
import type { TaskResult } from "../../lib/evaluate/results";
import { scoreTruthfulness } from "../../lib/evaluate/truthful-scores";
import { truthfulQaGen } from "../../lib/evaluate/tasks/truthfulqa";
import { Fields } from "../../lib/evaluate/fields";
import { loadModel } from "../../lib/model/causal-lm";
import { tf } from "../../lib/model/tensorflow";
import { Run, RunStore, type RunRecord } from "../../lib/runs/store";
import { lengthJudge } from "../../lib/evaluate/judge/judge-local";
import { temporaryFolder, writeJson } from "../runs/world";

const fixtures = join(__dirname, "fixtures");
const dataDir = join(fixtures, "data");
const model = loadModel(join(fixtures, "model"));
after(() => model.dispose());

/** Creates a data folder with the modified rows of one task. */
function modifiedData(task: string, split: string, change: (rows: Record<string, unknown>[]) => unknown[]): string {
  const dir = temporaryFolder();
  const rows = readFileSync(join(dataDir, task, `${split}.jsonl`), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  mkdirSync(join(dir, task), { recursive: true });
  writeFileSync(
    join(dir, task, `${split}.jsonl`),
    change(rows)
      .map((row) => `${JSON.stringify(row)}\n`)
      .join(""),
  );
  return dir;
}

/** Copies the data folder without the rows of one task. */
function dataWithout(task: string): string {
  const dir = temporaryFolder();
  cpSync(dataDir, dir, { recursive: true, filter: (path) => basename(path) !== task });
  return dir;
}

function storedRun(): Run {
  const store = new RunStore(temporaryFolder());
  const dir = store.dir("0123456789abcdef");
  cpSync(join(fixtures, "model"), join(dir, "model"), { recursive: true });
  const bytes = readFileSync(join(dir, "model", "model.safetensors")).length;
  const record = {
    id: "0123456789abcdef",
    name: "a run",
    recipe: { template: ALPACA_TEMPLATE, tokenizer: { digest: "tokenizer digest" } },
    weights: { bytes, sha256: "parameter digest" },
  } as unknown as RunRecord;
  return new Run(store, record, "complete");
}

test("rejects an unknown task immediately and suggests similar names", async () => {
  await assert.rejects(
    evaluate(model, ["piqa", "arc_chalenge"], { dataDir }),
    /Unknown task:\n"arc_chalenge": did you mean arc_challenge/,
  );
});

test("rejects invalid options by name", async () => {
  await assert.rejects(
    evaluate(model, "piqa", { dataDir, limit: 0 }),
    /limit: must be a whole number of at least 1, got 0/,
  );
  await assert.rejects(evaluate(model, "piqa", { dataDir, fewShot: -1 }), /fewShot/);
  await assert.rejects(evaluate(model, "piqa", { dataDir, format: "chat" as never }), /format: must be one of/);
});

test("a process that does not compute in float32 gives no scores", async () => {
  process.env.PROMPTLOSS_PRECISION = "bfloat16";
  await assert.rejects(evaluate(model, ["piqa"], { dataDir }), /precision "bfloat16", .* Unset PROMPTLOSS_PRECISION/);
  delete process.env.PROMPTLOSS_PRECISION;
});

test("the error names a failed task, and the other tasks are evaluated", async () => {
  await assert.rejects(
    evaluate(model, ["wmt14-en-fr", "piqa", "truthfulqa_gen"], { dataDir: dataWithout("wmt14-en-fr"), limit: 2 }),
    (error) => {
      assert.ok(error instanceof TasksFailedError);
      assert.deepEqual(
        error.results.map(({ task }) => task),
        ["piqa"],
      );
      assert.match(
        error.message,
        /wmt14-en-fr: No benchmark data: looked for .*wmt14-en-fr\/validation\.jsonl, .*wmt14-fr-en\/validation\.jsonl/,
      );
      assert.match(
        error.message,
        /truthfulqa_gen: maxNewTokens of 256 leaves no room for a prompt in the model's context of 256 tokens/,
      );
      return true;
    },
  );
});

test("the error lists all invalid rows with file and field", async () => {
  const dir = modifiedData("arc_challenge", "test", ([a, b, c, d, ...rest]) => [
    { ...a, question: undefined },
    { ...b, answerKey: "E" },
    { ...c, choices: { text: [], label: [] } },
    { ...d, choices: { text: ["a", 1], label: ["A", "B"] } },
    ...rest,
  ]);
  const [message] = await evaluate(model, "arc_challenge", { dataDir: dir, fewShot: 0 }).then(
    () => [""],
    (error: Error) => [error.message],
  );
  assert.match(message, /test\.jsonl: 4 invalid rows/);
  assert.match(message, /row 0: question is missing/);
  assert.match(message, /row 1: answerKey is "E", but must be one of the labels A, B, C, D/);
  assert.match(message, /row 2: choices\.text has no choices/);
  assert.match(message, /row 3: choices\.text must be a list of strings, got \["a",1\]/);
  const labels = modifiedData("piqa", "validation", ([a, ...rest]) => [{ ...a, label: 2 }, ...rest]);
  await assert.rejects(evaluate(model, "piqa", { dataDir: labels }), /row 0: label must be 0 or 1, got 2/);
});

test("the error for too many shots states the number of available rows", async () => {
  await assert.rejects(
    evaluate(model, "arc_challenge", { dataDir, fewShot: 25 }),
    /25 few-shot examples need rows to draw from, at least 25; there are 24\. Ask for fewer shots/,
  );
});

test("leaves out an item with a choice longer than the context, and reports it", async () => {
  const dir = modifiedData("piqa", "validation", ([a, b, ...rest]) => [
    a,
    { ...b, sol2: "word ".repeat(400) },
    ...rest,
  ]);
  const [long] = await evaluate(model, "piqa", { dataDir: dir });
  assert.equal(long.leftOut.length, 1);
  assert.equal(long.leftOut[0].id, 1);
  assert.match(long.leftOut[0].reason, /choice 2 has \d+ tokens, more than the model's context of 256/);
  assert.deepEqual(
    long.samples.map(({ id }) => id),
    [0, 2, 3, 4, 5, 6, 7],
  );
});

test("an evaluation with a limit uses the first items of the full evaluation", async () => {
  const [whole] = await evaluate(model, "winogrande", { dataDir });
  const [first] = await evaluate(model, "winogrande", { dataDir, limit: 3 });
  assert.deepEqual(
    first.samples.map(({ requests }) => requests.map(({ context }) => context)),
    whole.samples.slice(0, 3).map(({ requests }) => requests.map(({ context }) => context)),
  );
  assert.equal(first.limit, 3);
});

test("the paper's commit: name, version, shuffled items, and MC2 split at the first wrong choice", async () => {
  const dir = modifiedData("truthfulqa_mc2", "validation", ([a, ...rest]) => {
    const targets = a.mc2_targets as { choices: string[]; labels: number[] };
    return [{ ...a, mc2_targets: { ...targets, labels: targets.labels.map((_, i) => (i === 1 ? 0 : 1)) } }, ...rest];
  });
  const [release, paper] = await evaluate(model, ["truthfulqa_mc2", "truthfulqa_mc2@b281b09"], { dataDir: dir });
  assert.deepEqual([paper.task, paper.harness, paper.version], ["truthfulqa_mc2@b281b09", "b281b09", "1"]);
  // CPython: x = list(range(5)); random.Random(42).shuffle(x)
  assert.deepEqual(
    paper.samples.map(({ id }) => id),
    [3, 1, 2, 4, 0],
  );
  const unsorted = paper.samples.find(({ id }) => id === 0)!;
  const p = unsorted.requests.map(({ logLikelihood }) => Math.exp(logLikelihood!));
  assert.ok(Math.abs(unsorted.metrics.mc2 - p[0] / p.reduce((a, b) => a + b, 0)) < 1e-12);
  assert.ok(release.samples[0].metrics.acc > unsorted.metrics.mc2);
});

test("the paper's instruction: in the harness's layout, or in the model's template", async () => {
  const options = { dataDir, limit: 2, maxNewTokens: 4 };
  const [lines] = await evaluate(model, "wmt16-de-en", { ...options, format: "harness+instruction" });
  assert.match(
    lines.samples[0].requests[0].context,
    /^Translate the following from German to English\nGerman phrase: .*\nEnglish phrase:$/,
  );
  const [template] = await evaluate(model, "wmt16-de-en", { ...options, format: "instruction" });
  assert.match(
    template.samples[0].requests[0].context,
    /### Instruction:\nTranslate the following from German to English\n\n### Input:\n.+\n\n### Response:$/,
  );
  assert.equal(template.template, "alpaca");
});

test("counts generations that reach the maximum length", async () => {
  const [result] = await evaluate(model, "wmt16-de-en", { dataDir, maxNewTokens: 3 });
  assert.equal(result.unfinished, result.samples.filter(({ finish }) => finish === "length").length);
  assert.ok(result.unfinished > 0);
});

test("TruthfulQA's text scores equal the harness's", () => {
  const cases = JSON.parse(readFileSync(join(fixtures, "truthful.json"), "utf8")) as {
    row: unknown;
    text: string;
    scores: Record<string, number>;
  }[];
  const answers = cases.map(({ row, text }) => ({
    text,
    question: truthfulQaGen.question(new Fields(row), { format: "harness", template: ALPACA_TEMPLATE }),
  }));
  const { perAnswer } = scoreTruthfulness(answers);
  cases.forEach(({ scores, text }, i) => {
    for (const [name, value] of Object.entries(scores)) {
      // largest difference observed: 3e-14
      assert.ok(
        Math.abs(perAnswer[i][name] - value) < 1e-9,
        `${name} of ${JSON.stringify(text)}: ${perAnswer[i][name]} instead of ${value}`,
      );
    }
  });
});

test("rows from Parquet equal those from JSON Lines", async () => {
  const dir = temporaryFolder();
  mkdirSync(join(dir, "piqa"));
  cpSync(join(fixtures, "piqa.parquet"), join(dir, "piqa", "validation-00000-of-00001.parquet"));
  const [parquet] = await evaluate(model, "piqa", { dataDir: dir });
  const [lines] = await evaluate(model, "piqa", { dataDir });
  assert.deepEqual(parquet.samples, lines.samples);
});

test("a run's results are stored and computed once", async () => {
  const run = storedRun();
  const [first] = await evaluate(run, "piqa", { dataDir });
  const file = join(run.dir, "scores", "piqa.json");
  assert.deepEqual(
    (JSON.parse(readFileSync(file, "utf8")) as { result: unknown }).result,
    JSON.parse(JSON.stringify(first)),
  );
  let wasEvaluated = false;
  const [again] = await evaluate(run, "piqa", {
    dataDir,
    onProgress: () => {
      wasEvaluated = true;
    },
  });
  assert.deepEqual(again, JSON.parse(JSON.stringify(first)));
  assert.equal(wasEvaluated, false);
  await evaluate(run, "piqa", { dataDir, limit: 2 });
  assert.equal(readdirSync(join(run.dir, "scores")).length, 2, "another limit has its own stored result");
});

test("an interrupted task continues to the same result", async () => {
  // More tokens than one batch has.
  const dataDir = modifiedData("arc_challenge", "test", (rows) =>
    Array.from({ length: 60 }, (_, copy) =>
      rows.map((row) => ({ ...row, id: `${String(row.id)} ${copy}`, question: `${copy}: ${String(row.question)}` })),
    ).flat(),
  );
  cpSync(join(fixtures, "data", "arc_challenge", "train.jsonl"), join(dataDir, "arc_challenge", "train.jsonl"));
  const [expected] = await evaluate(model, "arc_challenge", { dataDir, fewShot: 3 });
  const run = storedRun();
  const stop = new AbortController();
  await assert.rejects(
    evaluate(run, "arc_challenge", {
      dataDir,
      fewShot: 3,
      signal: stop.signal,
      onProgress: ({ done }) => {
        if (done > 0) stop.abort();
      },
    }),
    { name: "Interrupted" },
  );
  const [file] = readdirSync(join(run.dir, "scores"));
  assert.match(file, /^arc_challenge\.[0-9a-f]{8}\.json\.partial$/);
  const partial = join(run.dir, "scores", file);
  const kept = readFileSync(partial, "utf8");
  writeFileSync(partial, `${kept}[[7,[{"su`); // a crash in the middle of a line
  const seen: number[] = [];
  const [result] = await evaluate(run, "arc_challenge", {
    dataDir,
    fewShot: 3,
    onProgress: ({ done }) => seen.push(done),
  });
  assert.ok(seen[0] > 0, "finished items are not evaluated again");
  assert.deepEqual(result.samples, expected.samples);
  assert.equal(existsSync(partial), false);
});

test("a damaged stored result is computed again, and a damaged journal continued before its damage", async () => {
  const [expected] = await evaluate(model, "piqa", { dataDir });
  const run = storedRun();
  const [first] = await evaluate(run, "piqa", { dataDir });
  const file = join(run.dir, "scores", "piqa.json");
  const stored = readFileSync(file, "utf8");
  const { identity, result } = JSON.parse(stored) as { identity: string; result: TaskResult };
  const damages = [
    "null",
    stored.slice(0, 200),
    JSON.stringify({ identity }),
    JSON.stringify({ identity, result: { ...result, metrics: { acc: null } } }),
    JSON.stringify({ identity, result: { ...result, samples: [null] } }),
    JSON.stringify({ identity, result: { ...result, samples: [{ ...result.samples[0], requests: [{}] }] } }),
    JSON.stringify({ identity, result: { ...result, leftOut: {} } }),
  ];
  for (const damage of damages) {
    writeFileSync(file, damage);
    assert.deepEqual(await evaluate(run, "piqa", { dataDir }), [first], damage);
    assert.equal(readFileSync(file, "utf8"), stored);
  }
  rmSync(file);
  // as after an interrupt: the outcome of item 0, and one whose log-likelihood was not finite
  const outcomes = (item: number) =>
    expected.samples[item].requests.map(({ logLikelihood: sum, isGreedy }) => ({ sum, isGreedy }));
  const lines = [
    { settings: identity },
    [[0, outcomes(0)]],
    [[1, [{ sum: null, isGreedy: true }]]],
    [[2, outcomes(2)]],
  ];
  writeFileSync(`${file}.partial`, lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
  assert.deepEqual(await evaluate(run, "piqa", { dataDir }), [first]);
  rmSync(file);
  mkdirSync(file);
  await assert.rejects(evaluate(run, "piqa", { dataDir }), /piqa\.json: there is a folder where a file belongs/);
});

test("six translation directions: one file serves both, validation precedes test, prompts name languages", async () => {
  const dir = temporaryFolder();
  const names: Record<string, string> = { en: "English", fr: "French", de: "German", ro: "Romanian" };
  const tasks = [
    ["wmt14", "fr"],
    ["wmt16", "de"],
    ["wmt16", "ro"],
  ].flatMap(([year, other]) => {
    const folder = join(dir, `${year}-${other}-en`);
    mkdirSync(folder);
    for (const split of ["validation", "test"]) {
      writeFileSync(
        join(folder, `${split}.jsonl`),
        `${JSON.stringify({ translation: { en: `one ${split}`, [other]: `un ${split}` } })}\n`,
      );
    }
    return [
      { name: `${year}-en-${other}`, from: "en", to: other, text: "one" },
      { name: `${year}-${other}-en`, from: other, to: "en", text: "un" },
    ];
  });
  const results = await evaluate(
    model,
    tasks.map(({ name }) => name),
    { dataDir: dir, maxNewTokens: 2 },
  );
  assert.deepEqual(
    results.map(({ task, samples }) => [task, samples.map(({ requests }) => requests[0].context)]),
    tasks.map(({ name, from, to, text }) => [
      name,
      ["validation", "test"].map((split) => `${names[from]} phrase: ${text} ${split}\n${names[to]} phrase:`),
    ]),
  );
  assert.deepEqual(Object.keys(results[0].metrics).sort(), ["bleu", "chrf", "ter"]);
});

test("Alpaca Eval and PandaLM use the judge in the options, and store the compared answers", async () => {
  const dir = temporaryFolder();
  for (const task of ["alpaca_eval", "pandalm"]) mkdirSync(join(dir, task));
  writeJson(join(dir, "alpaca_eval", "alpaca_eval.json"), [
    { instruction: "Describe the lamp.", output: "A lamp." },
    { instruction: "Name the owl.", output: "Otto" },
  ]);
  writeJson(join(dir, "pandalm", "testset-inference-v1.json"), [{ instruction: "Sum up.", input: "One and one." }]);
  const options = { dataDir: dir, judge: lengthJudge, maxNewTokens: 8 };
  await assert.rejects(
    evaluate(model, ["pandalm"], options),
    /pandalm.opponents\.json: file not found\. PandaLM compares the answers with those of another model/,
  );
  writeJson(join(dir, "pandalm", "opponents.json"), [{ instruction: "Sum up.", input: "One and one.", output: "x" }]);
  const [alpaca, panda] = await evaluate(model, ["alpaca_eval", "pandalm"], options);
  assert.deepEqual(
    [alpaca.judge, alpaca.template, alpaca.samples.length, panda.samples.length],
    ["length only", "alpaca", 2, 1],
  );
  assert.equal(alpaca.metrics.win_rate, alpaca.metrics.win_rate_length_only);
  assert.equal(alpaca.samples[1].judged!.opponent, "Otto");
  assert.equal(alpaca.samples[1].judged!.judgements[0].verdict === null, false);
  assert.equal(panda.samples[0].judged!.opponent, "x");
  // another judge changes the settings of the result
  const [other] = await evaluate(model, ["alpaca_eval"], { ...options, judge: { ...lengthJudge, digest: "other" } });
  assert.notEqual(other.data, alpaca.data);
});

test("without a judge, judged tasks name the missing setting, and other tasks are evaluated", async (t) => {
  const url = process.env.PROMPTLOSS_JUDGE_URL;
  delete process.env.PROMPTLOSS_JUDGE_URL;
  t.after(() => (url === undefined ? undefined : (process.env.PROMPTLOSS_JUDGE_URL = url)));
  const results = await evaluate(model, ["alpaca_eval", "piqa"], { dataDir, limit: 1, onFailure: "return" });
  assert.deepEqual(
    results.map(({ task }) => task),
    ["piqa"],
  );
  await assert.rejects(
    evaluate(model, "alpaca_eval", { dataDir }),
    /alpaca_eval: No judge endpoint is configured: set PROMPTLOSS_JUDGE_URL/,
  );
});

test("does not leak tensors", async () => {
  const before = tf.memory().numTensors;
  await evaluate(model, ["piqa", "winogrande", "truthfulqa_mc2", "wmt16-de-en"], {
    dataDir,
    limit: 3,
    maxNewTokens: 4,
  });
  assert.equal(tf.memory().numTensors, before);
});

test("every pocket benchmark is a task whose rows can be read", async () => {
  const pocket = allTasks()
    .map(({ name }) => name)
    .filter((name) => name.startsWith("pocket-"));
  assert.deepEqual(
    pocket.filter((name) => !name.includes("wmt")),
    [
      "pocket-arc",
      "pocket-piqa",
      "pocket-truthfulqa-mc2",
      "pocket-winogrande",
      "pocket-truthfulqa-gen",
      "pocket-alpaca-eval",
      "pocket-pandalm",
    ],
  );
  assert.equal(pocket.length, 13);
  const results = await evaluate(model, pocket, { limit: 2, maxNewTokens: 2 });
  assert.deepEqual(
    results.map(({ samples }) => samples.length),
    pocket.map(() => 2),
  );
});
