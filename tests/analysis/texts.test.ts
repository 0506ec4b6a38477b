import assert from "node:assert/strict";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { askedText, studyTexts, type PromptTexts, type StudyTexts, type WrittenText } from "../../lib/analysis/texts";
import { mostChanged, mostChangedGroup, wordDistance } from "../../lib/analysis/texts-changed";
import { renderChat } from "../../lib/data/chat-template";
import type { Message } from "../../lib/data/message";
import { tokenLength } from "../../lib/data/statistics";
import { ALPACA_TEMPLATE, renderPrompt } from "../../lib/data/template";
import { loadTokenizer } from "../../lib/data/tokenizer";
import { readExamples } from "../../lib/data/example";
import { sentenceBleu } from "../../lib/metrics/bleu";
import type { Run } from "../../lib/runs/store";
import type { Study } from "../../lib/sweep/study";
import { parseStudy } from "../../lib/sweep/study-file";
import { studyMemorization, studySamples, studyScores } from "../../lib/sweep/study-scores";
import { sweep } from "../../lib/sweep/sweep";
import { QUICK, temporaryFolder, tinyExamples, tinyModel, writeJson } from "../runs/world";

test("wordDistance: insertions, deletions, replacements and exchanges of words over the longer text's words", () => {
  assert.equal(wordDistance("", ""), 0);
  assert.equal(wordDistance("a b", "a  b\n"), 0);
  assert.equal(wordDistance("", "a b"), 1);
  assert.equal(wordDistance("a b c d", "a b c"), 1 / 4);
  assert.equal(wordDistance("the red fox", "the old red fox runs"), 2 / 5);
  assert.equal(wordDistance("a b", "b a"), 1 / 2);
  assert.equal(wordDistance("ab", "abc"), 1); // words, not letters
});

/** A text of a run with only the factors that a test is about. */
const written = (dataset: string, plw: number, text: string): WrittenText => ({
  ...{ model: "m", dataset, normalizer: "weights", variant: "default", seed: 1, plw, run: `${dataset} ${plw}`, text },
  ...{ length: 1, unit: "words", cutOff: false, bleu: null, verdict: null },
});
const promptWith = (id: number, texts: WrittenText[]): PromptTexts => ({
  ...{ task: "t", benchmark: "T", id, prompt: `p${id}`, asked: `p${id}`, references: [], texts },
});

test("mostChanged: the mean over neighboring weights of each run's group, then over groups", () => {
  const prompts = [
    promptWith(0, [written("A", 0, "a b"), written("A", 1, "a b")]), // no change
    // A, in the order of the weights: a b -> a c -> d e: 1/2 and 1; B: a single pair without a common word: 1
    promptWith(1, [
      written("A", 1, "d e"),
      written("B", 0, "x"),
      written("A", 0, "a b"),
      written("A", 0.5, "a c"),
      written("B", 1, "y"),
    ]),
    promptWith(2, [written("A", 0, "only one weight"), written("B", 1, "another run")]),
    promptWith(3, [written("A", 0, "a b c d"), written("A", 1, "a b c e")]), // 1/4
    promptWith(4, [written("A", 0, "a b c d"), written("A", 1, "a b x d")]), // 1/4
  ];
  assert.deepEqual(
    mostChanged({ prompts }).map(({ id, change }) => [id, change]),
    [
      [1, (3 / 4 + 1) / 2],
      [3, 1 / 4],
      [4, 1 / 4],
      [0, 0],
    ],
  );
  assert.deepEqual(
    mostChanged({ prompts }, { count: 1 }).map(({ id }) => id),
    [1],
  );
  assert.deepEqual(
    mostChangedGroup(prompts[1].texts).map(({ run }) => run),
    ["B 0", "B 1"],
  );
});

test("askedText: the last message of the user in a chat template", () => {
  const template = {
    name: "pocket",
    jinja: readFileSync(join(__dirname, "..", "..", "datasets", "pocket", "chat.jinja"), "utf8"),
    specialTokens: { bos_token: "<s>", eos_token: "</s>" },
  };
  const rendered = (messages: Message[]): string => renderChat(template, messages, { addGenerationPrompt: true });
  const question: Message = { role: "user", content: "One\n\ntwo?" };
  assert.equal(askedText(rendered([question]), template), question.content);
  const before: Message[] = [
    { role: "system", content: "Be kind." },
    { role: "user", content: "Hello" },
    { role: "assistant", content: "Hi" },
  ];
  assert.equal(askedText(rendered([...before, question]), template), question.content);
  assert.equal(askedText("Q: One?\nA: 1\n\nQ: Two?\nA:", template), "Q: Two?\nA:");
  const strict = { ...template, jinja: "{{ raise_exception('no') }}" };
  assert.equal(askedText("Q: One?\nA: 1\n\nQ: Two?\nA:", strict), "Q: Two?\nA:");
});

test("askedText: instruction and input without the template; the question after few-shot examples", () => {
  const rendered = (instruction: string, input: string): string =>
    renderPrompt({ instruction, input, output: "" }, ALPACA_TEMPLATE).prompt;
  assert.equal(askedText(rendered("Count.\n\nThen stop.", ""), ALPACA_TEMPLATE), "Count.\n\nThen stop.");
  assert.equal(askedText(rendered("Count ($&).", "a b"), ALPACA_TEMPLATE), "Count ($&).\na b");
  const twice = {
    name: "twice",
    withInput: "{instruction}{input}{instruction}{input}z",
    withoutInput: "{instruction}y",
  };
  const started = performance.now();
  assert.equal(askedText("x\n".repeat(40_000), twice).length, 79_999);
  assert.ok(performance.now() - started < 1000, "in time that grows with the text's length");
  assert.equal(askedText("Q: One?\nA: 1\n\nQ: Two?\nA:", ALPACA_TEMPLATE), "Q: Two?\nA:");
  assert.equal(askedText("English phrase: Hello.\nFrench phrase:", ALPACA_TEMPLATE).split("\n").length, 2);
});

const dir = temporaryFolder();
process.env.PROMPTLOSS_RUNS = join(dir, "runs");
const data = writeJson(join(dir, "data.json"), tinyExamples(6, 1));
const studyFile = {
  name: "texts",
  models: { tiny: tinyModel(join(dir, "model"), 1) },
  datasets: {
    One: { path: data },
    Two: { path: writeJson(join(dir, "two.json"), [...tinyExamples(6, 1).slice(0, 2), ...tinyExamples(4, 9)]) },
  },
  plws: [0, 1],
  hyperparameters: { ...QUICK, maxSteps: 2 },
  tasks: [
    { name: "twice", data: writeJson(join(dir, "t.json"), [...tinyExamples(2, 5), tinyExamples(1, 5)[0]]) },
    { name: "pocket-piqa", limit: 2 },
    { name: "pocket-alpaca-eval", limit: 3, maxNewTokens: 6 },
  ].map((task) =>
    task.name === "twice" ? { ...task, prompt: "Say: {instruction}", references: "output", maxNewTokens: 4 } : task,
  ),
};
const study: Study = parseStudy(studyFile, "the test's study");
let runs: Run[];
let texts: StudyTexts;

before(async () => {
  runs = await sweep({ study });
  await studyScores(study, runs);
  await studyMemorization(study, runs);
  texts = await studyTexts(study, runs);
});

test("studyTexts: every stored text once, with its run's factors, length, BLEU and verdict", async () => {
  const stored = await studySamples(study, runs, ["twice", "pocket-alpaca-eval"]);
  const samples = stored.flatMap(({ run, task, samples: all }) => all.map((sample) => ({ run, task, sample })));
  const ofTasks = texts.prompts.filter(({ task }) => !task.startsWith("memorization"));
  assert.equal(
    ofTasks.reduce((sum, prompt) => sum + prompt.texts.length, 0),
    samples.length,
  );
  const tokenizer = loadTokenizer(runs[0].tokenizerDir);
  for (const { run, task, sample } of samples) {
    const { context, continuation } = sample.requests[0];
    const prompt = ofTasks.find((each) => each.task === task && each.id === sample.id)!;
    const text = prompt.texts.find((each) => each.run === run.id)!;
    assert.deepEqual([prompt.prompt, prompt.references], [context, sample.references]);
    assert.deepEqual([text.text, text.plw, text.dataset], [continuation, run.recipe.plw, run.recipe.data.name]);
    assert.deepEqual([text.length, text.unit], [tokenLength(continuation, tokenizer), "tokens"]);
    assert.equal(text.bleu, sentenceBleu(continuation, sample.references!).score);
    const verdicts = { 0: "loses", 50: "tie", 100: "wins" };
    assert.equal(text.verdict, sample.judged ? verdicts[sample.metrics.win_rate as 0 | 50 | 100] : null);
    assert.equal(text.cutOff, sample.finish === "length");
    assert.equal(prompt.opponent, sample.judged?.opponent);
  }
  assert.deepEqual(
    ofTasks.filter(({ task }) => task === "twice").map(({ id, texts: all }) => [id, all.length]),
    [
      [0, 4],
      [1, 4],
      [2, 4],
    ],
    "a row that stands twice is asked twice",
  );
  assert.deepEqual(texts.absent, []);
});

test("studyTexts: a training row of two data sets is one prompt, the others are prompts of one data set", () => {
  const asked = readExamples(data).map(({ instruction, input }) => [instruction, input].filter(Boolean).join("\n"));
  const trained = texts.prompts.filter(({ task }) => task === "memorization");
  const shared = trained.filter((prompt) => prompt.texts.length === 4).map((prompt) => prompt.asked);
  assert.deepEqual(shared.sort(), asked.slice(0, 2).sort());
  assert.equal(trained.length, 10);
  assert.ok(trained.every((prompt) => prompt.texts.length === 4 || prompt.texts.length === 2));
});

test("studyTexts names runs and tasks without texts", async () => {
  rmSync(join(runs[1].dir, "scores", "memorization.json"));
  const { absent } = await studyTexts(study, runs.slice(0, 3));
  assert.deepEqual(absent, [
    { task: "memorization", runs: [runs[1].name], reason: "not evaluated yet" },
    { task: null, runs: [runs[3].name], reason: "not among the given runs" },
  ]);
  const some = await studyTexts(study, runs, ["pocket-alpaca-eval", "pocket-piqa"]);
  assert.deepEqual(new Set(some.prompts.map(({ task }) => task)), new Set(["pocket-alpaca-eval"]));
  assert.deepEqual(some.absent, []);
});
