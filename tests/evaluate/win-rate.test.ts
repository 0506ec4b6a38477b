// Tests win rates and agreement with people on values computed by hand, and on the published annotations of Alpaca
// Eval 1 and PandaLM.
import { strict as assert } from "node:assert";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { ALPACA_TEMPLATE, renderPrompt } from "../../lib/data/template";
import { alpacaEval, readAlpacaEvalAnnotations } from "../../lib/evaluate/judge/alpaca-eval";
import { Fields } from "../../lib/evaluate/fields";
import { judgeOutputs } from "../../lib/evaluate/judge/judge";
import { lengthJudge, referenceJudge } from "../../lib/evaluate/judge/judge-local";
import { nearestAnswers } from "../../lib/evaluate/judge/judge-task";
import {
  humanAgreement,
  humanLabel,
  pandaLm,
  readPandaLmLabels,
  readPandaLmPairs,
  type PandaLmLabel,
} from "../../lib/evaluate/judge/pandalm";
import { winRate } from "../../lib/evaluate/judge/win-rate";
import { needsShared, SHARED } from "../support/shared";
import { temporaryFolder, writeJson } from "../runs/world";
import { pocketJudged } from "../../lib/evaluate/tasks/pocket";

const near = (actual: number | null, expected: number, tolerance = 1e-9) =>
  assert.ok(Math.abs(actual! - expected) <= tolerance, `${actual} instead of ${expected}`);
const STYLE = { format: "harness", template: ALPACA_TEMPLATE } as const;

test("a win counts 1, a tie 0.5, and missing preferences are excluded", () => {
  const rate = winRate([2, 1, 1, 0, 1.5, null]);
  near(rate.winRate, 40); // (1 + 0 + 0 + ½ + ½) / 5
  // squared deviations from 0.4: 0.36 + 2 × 0.16 + 2 × 0.01 = 0.7
  near(rate.standardError, 100 * Math.sqrt(0.7 / 4 / 5));
  assert.deepEqual([rate.wins, rate.losses, rate.ties, rate.n, rate.missing], [1, 2, 2, 5, 1]);
  near(winRate([1.75, 1]).winRate, 37.5);
  assert.equal(winRate([2]).standardError, null);
  assert.ok(Number.isNaN(winRate([null]).winRate));
  for (const wrong of [3, 0.5, -1, NaN]) assert.throws(() => winRate([2, wrong]), /preference 1 is/);
});

test(
  "reproduces alpaca-7b's published win rate from its 805 published annotations",
  needsShared("data", "alpaca_eval"),
  async () => {
    const annotations = readAlpacaEvalAnnotations(
      join(SHARED, "data", "alpaca_eval", "alpaca-7b.alpaca_eval_gpt4.annotations.json"),
    );
    const rate = winRate(annotations.map(({ preference }) => preference));
    assert.deepEqual([rate.n, rate.wins, rate.losses, rate.ties], [805, 205, 584, 16]);
    near(rate.winRate, 26.4596, 5e-5); // 26.459627
    near(rate.standardError, 1.5357, 5e-5); // 1.535711, sd with n − 1
    const items = annotations.map(({ instruction, output_1, output_2 }) => ({
      instruction,
      output: output_2,
      reference: output_1,
    }));
    const byLength = await judgeOutputs({ judge: lengthJudge, items, order: "both" });
    assert.deepEqual(byLength.winRate, byLength.lengthBaseline);
    near(byLength.winRate.winRate, 47.2671, 5e-5);
    assert.equal(byLength.inconsistent, 0);
  },
);

test("the human label is the majority label; agreement has three measures", () => {
  assert.deepEqual(
    [humanLabel([1, 2, 1]), humanLabel([0, 0, 0]), humanLabel([0, 1, 2]), humanLabel([2, 2, 1])],
    [1, 0, null, 2],
  );
  const human: (PandaLmLabel | null)[] = [1, 1, 2, 0, null];
  const strict = humanAgreement([1, 2, 2, null, 1], human);
  near(strict.agreement, 50);
  near(strict.standardError, 25);
  near(strict.precision, 50); // 0: 0/0, 1: 1/1, 2: 1/2
  near(strict.recall, 50); // 0: 0/1, 1: 1/2, 2: 1/1
  near(strict.f1, (100 * (2 / 3 + 2 / 3)) / 3);
  assert.deepEqual([strict.n, strict.unreadable], [4, 1]);
  near(humanAgreement([1, 2, 2, null, 1], human, { unreadable: "tie" }).agreement, 75);
  assert.throws(() => humanAgreement([1], [1, 2]), /1 labels but 2 human labels/);
  assert.throws(() => humanAgreement([1], [null]), /no pair has a human label/);
});

test(
  "reproduces PandaLM-7B's and GPT-3.5's published agreement with people",
  needsShared("data", "pandalm"),
  async () => {
    const file = (name: string) => join(SHARED, "data", "pandalm", name);
    const pairs = readPandaLmPairs(file("testset-v1.json"));
    const human = pairs.map(({ annotators }) => humanLabel(annotators));
    assert.deepEqual(
      [null, 0, 1, 2].map((kind) => human.filter((given) => given === kind).length),
      [0, 105, 422, 472],
    ); // as its README says
    const published = (labels: (PandaLmLabel | null)[]) => {
      const { agreement, precision, recall, f1 } = humanAgreement(labels, human, { unreadable: "tie" });
      return [agreement, precision, recall, f1].map((value) => Number((value / 100).toFixed(4)));
    };
    // the numbers in PandaLM's compute_metrics.py
    const gpt = readPandaLmLabels(file("gpt-3.5-turbo-testset-v1.json"), "gpt_result");
    assert.deepEqual(
      published(readPandaLmLabels(file("pandalm-7b-testset-v1.json"), "pandalm_result")),
      [0.6677, 0.5738, 0.575, 0.5743],
    );
    assert.deepEqual(published(gpt), [0.7107, 0.5879, 0.5736, 0.5755]);
    const strict = humanAgreement(gpt, human);
    near(strict.agreement, 69.7698, 5e-5); // 25 of GPT-3.5's answers could not be parsed
    assert.equal(strict.unreadable, 25);
    const byLength = await judgeOutputs({
      judge: lengthJudge,
      order: "both",
      items: pairs.map(({ instruction, input, response1, response2 }) => ({
        instruction,
        input,
        output: response1,
        reference: response2,
      })),
    });
    const labels = byLength.samples.map(({ preference }): PandaLmLabel =>
      preference === 1.5 ? 0 : preference === 2 ? 1 : 2,
    );
    near(humanAgreement(labels, human).agreement, 61.0611, 5e-5);
  },
);

const ROWS = [
  { instruction: "Describe the lamp.", output: "The lamp is of glass and gives light in the cellar." },
  { instruction: "Describe the spade.", output: "The spade is of iron and digs holes in the garden." },
  { instruction: "Tell a story about Mia.", output: "One day Mia left the house and met a fox." },
];

/** Creates a file that contains a string, or another value as JSON. */
function fileWith(t: TestContext, content: unknown): string {
  const folder = mkdtempSync(join(tmpdir(), "judged-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "rows.json");
  writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content));
  return path;
}

test("a pocket benchmark: the stand-in compares with the answer to the most similar other instruction", async (t) => {
  const path = fileWith(t, ROWS.map((row) => JSON.stringify(row)).join("\n"));
  const task = pocketJudged(
    { name: "pocket", version: "1", harness: "0.4.13", shots: 0, data: { items: [], shots: [], dropsItself: false } },
    path,
  );
  const questions = ROWS.map((row) => task.question(new Fields(row), STYLE));
  assert.equal(questions[0].prompt, renderPrompt({ instruction: "Describe the lamp.", input: "", output: "" }).prompt);
  assert.deepEqual(questions[0].references, [ROWS[0].output]);
  const opponent = nearestAnswers(ROWS.map((row) => ({ ...row, input: "" })));
  assert.equal(opponent({ instruction: ROWS[0].instruction, input: "" }), ROWS[1].output);
  const texts = [ROWS[0].output, "I do not know.", "Mia met a fox one day."];
  const { metrics, standardErrors, perAnswer } = await task.score(
    questions.map((question, i) => ({ question, text: texts[i] })),
    {},
  );
  assert.deepEqual(perAnswer, [{ win_rate: 100 }, { win_rate: 0 }, { win_rate: 100 }]);
  near(metrics.win_rate, 200 / 3);
  near(standardErrors.win_rate, 100 / 3);
  near(metrics.win_rate_length_only, 100 / 3);
  assert.equal(metrics.unjudged, 0);
  assert.throws(
    () => nearestAnswers([{ ...ROWS[0], input: "" }])({ instruction: ROWS[0].instruction, input: "" }),
    /No other answer/,
  );
});

test("judged tasks use the judge from the environment, and the opponents' answers from the data", (t) => {
  const url = process.env.PROMPTLOSS_JUDGE_URL;
  delete process.env.PROMPTLOSS_JUDGE_URL;
  t.after(() => (url === undefined ? undefined : (process.env.PROMPTLOSS_JUDGE_URL = url)));
  assert.throws(() => alpacaEval().judge!(), /PROMPTLOSS_JUDGE_URL/);
  const judge = () => referenceJudge;
  const question = alpacaEval({ judge }).question(new Fields(ROWS[0]), STYLE);
  assert.equal((question as typeof question & { opponent: string }).opponent, ROWS[0].output);
  const path = fileWith(t, [{ ...ROWS[0], output: true }]);
  const task = pandaLm(path, { judge });
  assert.equal((task.question(new Fields(ROWS[0]), STYLE) as typeof question & { opponent: string }).opponent, "True");
  assert.throws(() => task.question(new Fields(ROWS[1]), STYLE), /no answer to "Describe the spade\."/);
});

test("the error names invalid annotations by row and field", (t) => {
  const pair = {
    instruction: "I",
    input: "",
    response1: "a",
    response2: "b",
    annotator1: 1,
    annotator2: 1,
    annotator3: 2,
  };
  assert.equal(readPandaLmPairs(fileWith(t, [pair]))[0].annotators.length, 3);
  assert.throws(
    () => readPandaLmPairs(fileWith(t, [pair, { ...pair, annotator2: 3, response1: 5 }, { ...pair, annotator3: "1" }])),
    /2 invalid rows[^]*row 1: response1[^]*row 2: annotator3 must be 0, 1 or 2, got "1"/,
  );
  assert.throws(() => readPandaLmLabels(fileWith(t, [{ gpt_result: "both" }]), "gpt_result"), /row 0: gpt_result/);
  assert.throws(() => readAlpacaEvalAnnotations(fileWith(t, { rows: [] })), /must contain a JSON array of rows/);
  const path = fileWith(t, [{ instruction: "I", output_1: "a", output_2: "b", preference: "2" }]);
  assert.throws(() => readAlpacaEvalAnnotations(path), /row 0: preference must be a number or null, got "2"/);
});

test("an empty label is no tie", () => {
  const file = writeJson(join(temporaryFolder(), "labels.json"), [{ gpt_result: "1" }, { gpt_result: "" }]);
  assert.throws(() => readPandaLmLabels(file, "gpt_result"), /gpt_result.* must be 0, 1 or 2, got ""/);
});
