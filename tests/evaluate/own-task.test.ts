import assert from "node:assert/strict";
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { sha256 } from "../../lib/data/digest";
import { readJson } from "../../lib/data/read-json";
import { ALPACA_TEMPLATE } from "../../lib/data/template";
import { evaluate } from "../../lib/evaluate/evaluate";
import { judgedTask } from "../../lib/evaluate/judge/judge-task";
import { lengthJudge } from "../../lib/evaluate/judge/judge-local";
import { Fields } from "../../lib/evaluate/fields";
import { rowTemplate } from "../../lib/evaluate/row-template";
import { missingTasks } from "../../lib/evaluate/missing-tasks";
import type { TaskResult } from "../../lib/evaluate/results";
import type { Task } from "../../lib/evaluate/task";
import { arcFormat } from "../../lib/evaluate/tasks/arc";
import { ownTask, ownTaskType, primaryMetric, type OwnTask } from "../../lib/evaluate/tasks/own-task";
import { pocketTasks } from "../../lib/evaluate/tasks/pocket";
import { corpusBleu } from "../../lib/metrics/bleu";
import { rouge } from "../../lib/metrics/rouge";
import { loadModel } from "../../lib/model/causal-lm";
import { Run, RunStore, type RunRecord } from "../../lib/runs/store";
import { temporaryFolder } from "../runs/world";

const POCKET = join(__dirname, "..", "..", "datasets", "pocket");
const DIRECTORY = join(POCKET, "models", "pocket-1");
const benchmark = (name: string) => join(POCKET, "benchmarks", `${name}.jsonl`);
const model = loadModel(DIRECTORY);
after(() => model.dispose());

const FAQ = join(__dirname, "fixtures", "own", "faq.jsonl");
const faq = { name: "faq", data: FAQ, prompt: "Question: {question}\nAnswer:" };
const faqChoices: OwnTask = { ...faq, choices: "options", answer: "right" };
const faqTexts: OwnTask = { ...faq, references: "texts", maxNewTokens: 24 };

async function scores(task: Task | OwnTask, options: { limit?: number } = {}): Promise<TaskResult> {
  const request = "kind" in task ? task : { name: task.name, own: task };
  const [result] = await evaluate(model, [request], options);
  return result;
}

const pocketTask = (name: string) => pocketTasks().find((task) => task.name === name)!;
const outcome = ({ metrics, standardErrors, samples }: TaskResult) => ({ metrics, standardErrors, samples });

/** Writes rows to a file, and a definition of a task with these rows. */
function withRows(definition: OwnTask, rows: unknown[]): OwnTask {
  const data = join(temporaryFolder(), "rows.jsonl");
  writeFileSync(data, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  return { ...definition, data };
}

/** The message of the error that evaluating a task gives. */
const failure = (task: OwnTask) =>
  scores(task).then(
    () => assert.fail("no error"),
    (error: Error) => error.message,
  );

// ---------------------------------------------------------------- scores

test("choices in PIQA's wording have the log-likelihoods and metrics of PIQA", async () => {
  const own = await scores({
    name: "own-piqa",
    data: benchmark("pocket-piqa"),
    prompt: "Question: {goal}\nAnswer:",
    choices: ["{sol1}", "{sol2}"],
    answer: "label",
  });
  const builtIn = await scores(pocketTask("pocket-piqa"));
  assert.equal(own.samples.length, 134);
  assert.ok(own.metrics.acc > 0.5 && own.metrics.acc < 1);
  assert.deepEqual(outcome(own), outcome(builtIn));
});

test("a list of choices with letters and few-shot examples gives the requests and metrics of ARC", async () => {
  const own = await scores(
    {
      name: "own-arc",
      data: benchmark("pocket-arc"),
      prompt: "Question: {question}\nAnswer:",
      choices: "choices.text",
      answer: "answerKey",
      shots: 5,
      shotsData: benchmark("pocket-arc-fewshot"),
    },
    { limit: 30 },
  );
  assert.equal(own.samples[0].requests[0].context.match(/Question:/g)?.length, 6);
  assert.deepEqual(outcome(own), outcome(await scores(pocketTask("pocket-arc"), { limit: 30 })));
});

test("few-shot examples from the data itself are never the evaluated row", async () => {
  const own = await scores({
    name: "own-arc",
    data: benchmark("pocket-arc-fewshot"),
    prompt: "Question: {question}\nAnswer:",
    choices: "choices.text",
    answer: "answerKey",
    shots: 3,
  });
  const data = { items: [[benchmark("pocket-arc-fewshot")]], shots: [benchmark("pocket-arc-fewshot")] };
  const about = { name: "arc", version: "1", harness: "0.4.13", shots: 3 } as const;
  const builtIn = await scores(arcFormat({ ...about, data: { ...data, dropsItself: true } }));
  assert.deepEqual(outcome(own), outcome(builtIn));
  for (const { requests } of own.samples) {
    const questions = requests[0].context.split("\n\n").map((part) => part.split("\nAnswer:")[0]);
    assert.equal(questions.indexOf(questions[3]), 3);
  }
});

test("the right choice is a letter, a position or a text; numbers are texts", async () => {
  const result = await scores(faqChoices);
  const likelihoods = (question: string, choices: string[]) =>
    choices.map((choice) => model.logLikelihood(`Question: ${question}\nAnswer:`, ` ${choice}`).sum);
  const expected = [
    likelihoods("Where is the rope kept?", ["in the boat", "in the bedroom", "in the cellar", "in the barn"]),
    likelihoods("What can you hear the cow do?", ["moo", "croak", "squeak", "howl"]),
    likelihoods("How many days are in 2 weeks?", ["7", "14"]),
  ];
  result.samples.forEach(({ requests }, i) =>
    requests.forEach(({ logLikelihood }, j) => {
      // equal here; other processors may sum a batch in another order, and float32 has steps of 4e-6 at 36
      assert.ok(Math.abs(logLikelihood! - expected[i][j]) < 2e-5, `${logLikelihood} instead of ${expected[i][j]}`);
    }),
  );
  assert.deepEqual(
    result.samples.map(({ metrics }) => metrics),
    [
      { acc: 1, acc_norm: 1 },
      { acc: 1, acc_norm: 0 },
      { acc: 0, acc_norm: 0 },
    ],
  );
  assert.deepEqual(result.metrics, { acc: 2 / 3, acc_norm: 1 / 3 });
  assert.ok(Math.abs(result.standardErrors.acc! - 1 / 3) < 1e-15);
});

test("references in the wording of a translation task have its answers and its BLEU", async () => {
  const own = await scores(
    {
      name: "own-translation",
      data: benchmark("pocket-wmt-fl-en"),
      prompt: pocketPhrases(),
      references: "translation.en",
      maxNewTokens: 48,
    },
    { limit: 40 },
  );
  const builtIn = await scores(pocketTask("pocket-wmt-fl-en"), { limit: 40 });
  const texts = (result: TaskResult) =>
    result.samples.map(({ requests: [{ context, continuation }] }) => [context, continuation]);
  assert.deepEqual(texts(own), texts(builtIn));
  assert.ok(own.metrics.bleu > 0);
  assert.equal(own.metrics.bleu, builtIn.metrics.bleu);
  assert.equal(own.standardErrors.bleu, builtIn.standardErrors.bleu);
});

/** The prompt of the pocket translation task from its "fl" language, as a template. */
function pocketPhrases(): string {
  const entries = readJson(join(POCKET, "benchmarks", "manifest.json")) as {
    task: string;
    languages?: { from: { name: string }; to: { name: string } };
  }[];
  const { from, to } = entries.find(({ task }) => task === "pocket-wmt-fl-en")!.languages!;
  return `${from.name} phrase: {translation.fl}\n${to.name} phrase:`;
}

test("answers are compared with the best of several references", async () => {
  const result = await scores(faqTexts);
  const references = [["in the boat", "The rope is kept in the boat."], ["moo"], ["14"]];
  const prompts = ["Where is the rope kept?", "What can you hear the cow do?", "How many days are in 2 weeks?"];
  const texts: string[] = [];
  for (const question of prompts) {
    const { text } = await model.generate(`Question: ${question}\nAnswer:`, { maxNewTokens: 24 });
    texts.push(text.split("\n")[0]);
  }
  assert.equal(texts[0], " in the boat");
  assert.deepEqual(
    result.samples.map(({ requests: [{ continuation }] }) => continuation),
    texts,
  );
  const best = (type: "rouge1" | "rouge2" | "rougeL") =>
    texts.map((text, i) => 100 * Math.max(...references[i].map((right) => rouge(right, text, [type])[type].fmeasure)));
  const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  const streams = [references.map(([first]) => first), references.map((texts) => texts[1] ?? null)];
  assert.deepEqual(result.metrics, {
    exact_match: 1 / 3,
    rouge1: mean(best("rouge1")),
    rouge2: mean(best("rouge2")),
    rougeL: mean(best("rougeL")),
    bleu: corpusBleu(texts, streams).score,
  });
  assert.deepEqual(result.samples[0].metrics, { exact_match: 1, rouge1: 100, rouge2: 100, rougeL: 100 });
  assert.deepEqual(Object.keys(result.standardErrors).sort(), Object.keys(result.metrics).sort());
  assert.equal(result.maxNewTokens, 24);
});

test("with template the question is the instruction of the model's template, and answers follow it directly", async () => {
  const result = await scores({ ...faqTexts, template: true, shots: 1 });
  const asked = (question: string) =>
    ALPACA_TEMPLATE.withoutInput.replace("{instruction}", `Question: ${question}\nAnswer:`);
  const solved = `${asked("What can you hear the cow do?")}moo`;
  assert.equal(result.samples[0].requests[0].context, `${solved}\n\n${asked("Where is the rope kept?")}`);
  assert.equal(result.template, "alpaca");
  const choices = await scores({ ...faqChoices, template: true });
  assert.equal(choices.samples[0].requests[0].continuation, "in the boat");
  const spaced = await scores({ ...faqChoices, template: true, separator: "\n" });
  assert.equal(spaced.samples[0].requests[0].continuation, "\nin the boat");
  assert.equal((await scores(faqTexts)).template, null);
});

test("a judged task asks in the model's template and compares with the opponent's field", async () => {
  const definition: OwnTask = { name: "own-judged", data: FAQ, prompt: "{question}", judge: { opponent: "other" } };
  const own = await scores(ownTask({ ...definition, maxNewTokens: 24 }, () => lengthJudge));
  const renamed = readFileSync(FAQ, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, string>)
    .map(({ question, other }) => ({ instruction: question, other }));
  const byField = withRows({ name: "own-judged", data: FAQ, judge: { opponent: "other" }, maxNewTokens: 24 }, renamed);
  const builtIn = await scores(
    judgedTask({
      about: {
        name: "judged",
        version: "1",
        harness: "0.4.13",
        shots: 0,
        data: { items: [[byField.data]], shots: [], dropsItself: false },
      },
      maxNewTokens: 24,
      judge: () => lengthJudge,
      opponent: (_, row) => row.text("other"),
    }),
  );
  assert.deepEqual(outcome(own), outcome(builtIn));
  assert.deepEqual(outcome(await scores(ownTask(byField, () => lengthJudge))), outcome(builtIn));
  assert.match(own.samples[0].requests[0].context, /### Instruction:\nWhere is the rope kept\?\n\n### Response:$/);
  assert.equal(own.judge, "length only");
  const lengths = own.samples.map(({ requests: [{ continuation }], judged }) =>
    Math.sign(continuation.length - judged!.opponent.length),
  );
  assert.equal(own.metrics.win_rate, (100 * lengths.reduce((sum, sign) => sum + (sign + 1) / 2, 0)) / 3);
  const both = await scores(
    ownTask({ ...definition, maxNewTokens: 24, judge: { opponent: "other", order: "both" } }, () => lengthJudge),
  );
  assert.deepEqual(
    both.samples.map(({ judged }) => judged!.judgements.length),
    [2, 2, 2],
  );
});

test("without a configured judge the task is missing, and says what to set", async (t) => {
  const url = process.env.PROMPTLOSS_JUDGE_URL;
  t.after(() => url !== undefined && (process.env.PROMPTLOSS_JUDGE_URL = url));
  delete process.env.PROMPTLOSS_JUDGE_URL;
  const own: OwnTask = { name: "own-judged", data: FAQ, prompt: "{question}", judge: { opponent: "other" } };
  const [{ task, reason }] = await missingTasks([{ name: "own-judged", own }]);
  assert.equal(task, "own-judged");
  assert.match(reason, /PROMPTLOSS_JUDGE_(URL|MODEL)/);
});

test("the primary metric and the type follow the kind", () => {
  const judged: OwnTask = { name: "j", data: FAQ, judge: { opponent: "other" } };
  assert.deepEqual([faqChoices, faqTexts, judged].map(primaryMetric), ["acc_norm", "rougeL", "win_rate"]);
  assert.deepEqual([faqChoices, faqTexts, judged].map(ownTaskType), ["MC", "G_S", "G_L"]);
  assert.equal(primaryMetric({ ...faqTexts, metric: "bleu" }), "bleu");
});

// ---------------------------------------------------------------- stored scores

test("stored scores are reused until what is asked changes", async () => {
  const store = new RunStore(temporaryFolder());
  const dir = store.dir("0123456789abcdef");
  cpSync(DIRECTORY, join(dir, "model"), { recursive: true });
  const record = {
    id: "0123456789abcdef",
    name: "a run",
    recipe: { template: ALPACA_TEMPLATE, tokenizer: { digest: "tokenizer digest" } },
    weights: { bytes: readFileSync(join(dir, "model", "model.safetensors")).length, sha256: "parameter digest" },
  } as unknown as RunRecord;
  const run = new Run(store, record, "complete");
  const file = join(dir, "scores", "faq.json");
  const evaluated = async (own: OwnTask) => {
    const [result] = await evaluate(run, [{ name: "faq", own }]);
    return { result, text: readFileSync(file, "utf8") };
  };
  const first = await evaluated(faqChoices);
  writeFileSync(file, first.text.replace('"acc_norm":0.3', '"acc_norm":0.9'));
  assert.match(String((await evaluated(faqChoices)).result.metrics.acc_norm), /^0\.9/);
  const elsewhere = { ...faqChoices, data: join(temporaryFolder(), "copied.jsonl"), metric: "acc" };
  cpSync(FAQ, elsewhere.data);
  assert.match(String((await evaluated(elsewhere)).result.metrics.acc_norm), /^0\.9/);
  const changed = await evaluated({ ...faqChoices, prompt: "Q: {question}\nA:" });
  assert.equal(changed.result.samples[0].requests[0].context, "Q: Where is the rope kept?\nA:");
  assert.notEqual(changed.text, first.text);
});

test("everything that is asked or scored is part of the identity of the scores", async () => {
  const judged: OwnTask = {
    name: "faq",
    data: FAQ,
    prompt: "{question}",
    judge: { opponent: "other" },
    maxNewTokens: 4,
  };
  const variants: OwnTask[] = [
    faqChoices,
    { ...faqChoices, prompt: `${faq.prompt} ` },
    { ...faqChoices, choices: ["{options.0}", "{options.1}"], answer: "position" },
    { ...faqChoices, separator: "" },
    { ...faqChoices, template: true },
    { ...faqTexts },
    { ...faqTexts, stops: ["."] },
    { ...faqTexts, references: "texts2" },
    judged,
    { ...judged, prompt: undefined },
    { ...judged, judge: { opponent: "question" } },
    { ...judged, judge: { opponent: "other", order: "both" } },
  ];
  const definitions = variants.map((variant) => ownTask(variant).definition!);
  assert.equal(new Set(definitions).size, variants.length);
  assert.equal(ownTask({ ...faqChoices, separator: " ", template: false }).definition, definitions[0]);
  const results = [];
  for (const variant of variants.slice(0, 2)) results.push(await scores(variant));
  assert.notEqual(results[0].data, results[1].data);
});

test("the scores of registered tasks depend on the same digest as before there were definitions", async () => {
  const [{ data }] = await evaluate(model, "pocket-piqa", { limit: 1 });
  assert.equal(data, sha256(sha256(sha256(readFileSync(benchmark("pocket-piqa")))), "", ""));
});

test("two definitions of one name in one call do not share rows", async () => {
  const other = { ...faqChoices, prompt: "{question}" };
  const results = await evaluate(
    model,
    [faqChoices, other].map((own) => ({ name: "faq", own })),
  );
  assert.deepEqual(
    results.map(({ samples: [{ requests }] }) => requests[0].context),
    ["Question: Where is the rope kept?\nAnswer:", "Where is the rope kept?"],
  );
});

// ---------------------------------------------------------------- mistakes

/** The message of the error that creating a task gives. */
function refusal(changes: Record<string, unknown>, definition: OwnTask = faqChoices): string {
  try {
    ownTask({ ...definition, ...changes } as OwnTask);
  } catch (error) {
    return (error as Error).message;
  }
  return assert.fail("no error");
}

test("every mistake in a definition is named by its key", () => {
  const message = refusal({
    data: "rows.csv",
    prompt: "{question",
    choices: "{options}",
    metric: "bleu",
    stops: ["\n"],
    x: 1,
  });
  assert.equal(
    message,
    [
      'task "faq": 6 problems:',
      '  - data: must be the path of a .jsonl, .json or .parquet file, also with .gz, on this machine, got "rows.csv"',
      '  - prompt: has a single "{" at character 1; write {field} for a field, {{ for a brace',
      '  - choices: must be the name of a field, without braces, got "{options}"',
      "  - x: unknown key; known keys: name, data, prompt, choices, answer, references, stops, judge, maxNewTokens, " +
        "separator, template, shots, shotsData, limit, chatTemplate, fewShotAsTurns, systemPrompt, metric, version",
      "  - stops: belongs to tasks with references, not to one with choices",
      '  - metric: must be one of acc_norm, acc, got "bleu"',
    ].join("\n"),
  );
});

test("names that are no file names, and other values of the wrong kind, are refused", () => {
  for (const name of ["", "../x", "a/b", "a.b", "piqa@b281b09", "constructor", "x".repeat(101), "näher", 7])
    assert.match(refusal({ name }), /: name: must be a name of at most 100 letters \(a to z\), digits, - and _, got /);
  assert.match(refusal({ data: "hf:a/b#rows.jsonl" }), /data: must be the path of .* on this machine/);
  assert.match(refusal({ prompt: "Question:" }), /prompt: has no \{field\}, so every row would be the same question/);
  assert.match(refusal({ prompt: "{a} }" }), /prompt: has a single "\}" at character 5; .* \}\} for a brace/);
  assert.match(refusal({ prompt: "{}" }), /prompt: has a single "\{" at character 1/);
  assert.match(refusal({ prompt: undefined }), /prompt: is missing/);
  assert.match(refusal({ answer: undefined }), /answer: is missing: the field that says which choice is right/);
  assert.match(
    refusal({ choices: ["{a}"] }),
    /choices: must be the name of a field, or a list of at least two templates/,
  );
  assert.match(refusal({ choices: ["{a}", "{b"] }), /choices\.1: has a single "\{" at character 1/);
  assert.match(refusal({ shots: -1 }), /shots: must be a whole number of at least 0, got -1/);
  assert.match(refusal({ limit: 0 }), /limit: must be a whole number of at least 1, got 0/);
  assert.match(refusal({ template: "yes" }), /template: must be true or false, got "yes"/);
  assert.match(refusal({ separator: 1 }), /separator: must be a text, got 1/);
  assert.match(refusal({ shotsData: "x" }), /shotsData: must be the path/);
  assert.match(refusal({ version: 2 }), /version: must be a non-empty text, got 2/);
  assert.match(refusal({ stops: "\n" }, faqTexts), /stops: must be a list of texts/);
  assert.match(refusal({ stops: [""] }, faqTexts), /stops\.0: must be a non-empty text/);
  assert.match(refusal({ maxNewTokens: 0 }, faqTexts), /maxNewTokens: must be a whole number of at least 1/);
  assert.match(refusal({ references: ["a"] }, faqTexts), /references: must be the name of a field/);
});

test("a definition has one kind, with the keys of that kind", () => {
  const none = /must have exactly one of choices, references and judge, has none/;
  assert.match(refusal({ choices: undefined, answer: undefined }), none);
  assert.match(
    refusal({ references: "texts" }),
    /exactly one of choices, references and judge, has choices and references/,
  );
  assert.match(
    refusal({ answer: "right" }, faqTexts),
    /answer: belongs to tasks with choices, not to one with references/,
  );
  assert.match(
    refusal({ maxNewTokens: 9 }),
    /maxNewTokens: belongs to tasks with references or judge, not to one with/,
  );
  const judged: OwnTask = { name: "faq", data: FAQ, judge: { opponent: "other" } };
  assert.match(refusal({ template: false }, judged), /template: belongs to tasks with choices or references/);
  assert.match(refusal({ shots: 1 }, judged), /shots: belongs to tasks with choices or references/);
  assert.match(refusal({ judge: {} }, judged), /judge\.opponent: is missing; known keys: opponent, order/);
  assert.match(
    refusal({ judge: { opponent: "o", order: "first" } }, judged),
    /judge\.order: must be one of random, both/,
  );
  assert.match(refusal({ metric: "acc" }, judged), /metric: must be one of win_rate, win_rate_length_only, got "acc"/);
});

/** The lines of an error message that name rows. */
const rowLines = (message: string) => message.split("\n").flatMap((line) => /row \d+: .*/.exec(line)?.[0] ?? []);

/** Copies of a row with changed fields; undefined removes a field. */
const changed = (row: object, ...changes: object[]) => changes.map((change) => ({ ...row, ...change }));

test("rows that do not fit are named with their field", async () => {
  const row = { question: "q", options: ["a", "b"], right: 0 };
  const rows = changed(
    row,
    {},
    { question: undefined },
    { question: null },
    { question: ["q"] },
    { options: "a" },
    { options: ["a"] },
    { options: ["a", ""] },
    { options: ["a", {}] },
    { right: 2 },
    { right: "1" },
    { right: "c" },
    { right: true },
    { right: 0.5 },
    { options: ["B", "x"], right: "B" },
    { options: ["same", "same"], right: "same" },
    { right: undefined },
  );
  const wanted = "but must be the right choice's position (0 to 1, a number), its text, or its letter (A to B)";
  const message = await failure(withRows(faqChoices, rows));
  assert.match(message, /^1 of 1 tasks failed; .*\nfaq: \/.*rows\.jsonl: 15 invalid rows \(counted from 0\):\n/);
  assert.deepEqual(rowLines(message), [
    "row 1: question is missing",
    "row 2: question is null",
    'row 3: question must be a text or a number, got ["q"]',
    'row 4: options must be a list of choices, got "a"',
    "row 5: options must have at least two choices, has 1",
    "row 6: options has an empty text (number 2)",
    "row 7: options must be a text or a number, got {}",
    `row 8: right is 2, ${wanted}`,
    `row 9: right is "1", ${wanted}`,
    `row 10: right is "c", ${wanted}`,
    `row 11: right is true, ${wanted}`,
    `row 12: right is 0.5, ${wanted}`,
    'row 13: right is "B", which fits choices 1 and 2; give its position from 0',
    'row 14: right is "same", which fits choices 1 and 2; give its position from 0',
    "row 15: right is missing",
  ]);
});

test("rows without usable references, written choices or opponents are named with their field", async () => {
  const row = { question: "q", texts: "t", other: "o", a: "1", b: "2", right: 1 };
  const texts = changed(
    row,
    { texts: "" },
    { texts: [] },
    { texts: ["t", ""] },
    { texts: [["t"]] },
    { texts: undefined },
  );
  assert.deepEqual(rowLines(await failure(withRows(faqTexts, texts))), [
    "row 0: texts has an empty text (number 1)",
    "row 1: texts has no texts",
    "row 2: texts has an empty text (number 2)",
    'row 3: texts must be a text or a number, got ["t"]',
    "row 4: texts is missing",
  ]);
  const written = { ...faqChoices, choices: ["{a}", "{b}"] };
  assert.deepEqual(rowLines(await failure(withRows(written, changed(row, {}, { b: "" }, { a: undefined })))), [
    "row 1: choices has an empty text (number 2)",
    "row 2: a is missing",
  ]);
  const judged: OwnTask = { name: "faq", data: FAQ, prompt: "{question}", judge: { opponent: "other" } };
  const { data } = withRows(judged, changed(row, {}, { other: undefined }, { question: undefined }));
  const message = await evaluate(model, [ownTask({ ...judged, data }, () => lengthJudge)]).then(
    () => assert.fail("no error"),
    (error: Error) => error.message,
  );
  assert.deepEqual(rowLines(message), ["row 1: other is missing", "row 2: question is missing"]);
});

test("too few rows for the few-shot examples leave a task out, by its number", async () => {
  const missing = async (rows: unknown[], shots: number) =>
    (await missingTasks([{ name: "faq", own: { ...withRows(faqTexts, rows), shots } }])).map(({ reason }) => reason);
  const [a, b] = [1, 2].map((n) => ({ question: `Q${n}?`, texts: [`A${n}`] }));
  assert.deepEqual(await missing([a, b], 1), []);
  assert.deepEqual(await missing([a], 1), [
    "faq: 1 few-shot example needs rows to draw from, at least 2; there are 1. Ask for fewer shots.",
  ]);
  assert.deepEqual(await missing([a, b], 2), [
    "faq: 2 few-shot examples need rows to draw from, at least 3; there are 2. Ask for fewer shots.",
  ]);
  assert.match(
    await failure({ ...withRows(faqTexts, [a, a, b]), shots: 2 }),
    /faq: 2 few-shot examples need rows to draw from, 2 other than the asked one; there are 1\. Ask for fewer shots\.$/,
  );
});

test("a folder in place of a file is named, and truth values name choices", async () => {
  const folder = join(temporaryFolder(), "rows.json");
  mkdirSync(folder);
  assert.match(await failure({ ...faqTexts, data: folder }), /rows\.json: this is a directory, not a file/);
  const rows = [true, false].map((answer) => ({ question: "Is it?", options: [false, true], right: answer }));
  const { samples } = await scores(withRows({ ...faqChoices, metric: "acc" }, rows));
  assert.deepEqual(samples.map(({ metrics }) => metrics.acc).sort(), [0, 1]); // equal questions, opposite answers
});

test("a missing file is named as it was given", async () => {
  const message = await failure({ ...faqChoices, data: "no/such/rows.jsonl" });
  assert.match(
    message,
    /No benchmark data: \/.*\/no\/such\/rows\.jsonl does not exist\. Put the file there, or change/,
  );
});

// ---------------------------------------------------------------- templates

test("placeholders take nested fields, entries of lists, numbers and literal braces", () => {
  const row = new Fields({ a: "x", "b c": { d: [1, { e: true }] }, f: "{a}", n: -0.5, "{": "no" });
  const written = (template: string) => rowTemplate(template)(row);
  assert.equal(written("{a}{b c.d.0}{b c.d.1.e}{f}{n}"), "x1true{a}-0.5");
  assert.equal(written("{{a}} {{{a}}} }}{{"), "{a} {x} }{");
  assert.equal(written("no braces"), "no braces");
  for (const [path, problem] of [
    ["z", "z is missing"],
    ["a.b", "a.b is missing"],
    ["b c.d.2", "b c.d.2 is missing"],
    ["b c.d.length", "b c.d.length is missing"],
    ["b c.toString", "b c.toString is missing"],
    ["b c", 'b c must be a text or a number, got {"d":[1,{"e":true}]}'],
  ])
    assert.throws(() => written(`{${path}}`), { message: problem });
});
