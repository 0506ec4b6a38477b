import assert from "node:assert/strict";
import { join } from "node:path";
import { before, test } from "node:test";
import { RunError } from "../../lib/data/errors";
import { renderPrompt } from "../../lib/data/template";
import { loadModel } from "../../lib/model/causal-lm";
import type { Generation } from "../../lib/model/generate";
import { tf } from "../../lib/model/tensorflow";
import { ask } from "../../lib/notebook/ask";
import { planPruning, pruneRuns } from "../../lib/runs/prune";
import { RunStore, type Run } from "../../lib/runs/store";
import { train } from "../../lib/train/train";
import { QUICK, temporaryFolder, tinyExamples, tinyModel } from "../runs/world";

const dir = temporaryFolder();
const template = { name: "plain", withInput: "{instruction} <b>|{input}>", withoutInput: "{instruction} <b>>" };
let runs: Run[];

before(async () => {
  const model = tinyModel(join(dir, "start"), 1);
  runs = [];
  for (const plw of [0, 1])
    runs.push(
      await train({
        ...{ model, examples: tinyExamples(8, 1), dataset: "Data", plw, template, store: join(dir, "runs") },
        hyperparameters: { ...QUICK, learningRate: 0.05 },
      }),
    );
});

test("runs answer in their own template with their final models, which are disposed", async () => {
  const tensors = tf.memory().numTensors;
  const { answers, unable, html, text } = await ask(runs, "Say bread.", { input: "mill", maxNewTokens: 12 });
  assert.equal(tf.memory().numTensors, tensors);
  assert.deepEqual(unable, []);
  const { prompt } = renderPrompt({ instruction: "Say bread.", input: "mill", output: "" }, template);
  assert.equal(prompt, "Say bread. <b>|mill>");
  for (const [i, run] of runs.entries()) {
    const model = loadModel(run.weightsDir);
    const expected: Generation = await model.generate(prompt, { maxNewTokens: 12 });
    model.dispose();
    assert.deepEqual(answers[i], {
      ...{ run: run.id, model: "start", dataset: "Data", normalizer: "weights", variant: "default", seed: 42 },
      ...{ plw: run.recipe.plw, prompt, text: expected.text, tokens: expected.ids.length, finish: expected.finish },
    });
  }
  assert.match(html, /<b>PLW 0<\/b>[^]*<b>PLW 1<\/b>/);
  assert.match(html, /Say bread\. &lt;b&gt;\|mill&gt;/);
  assert.doesNotMatch(html, /<b>\|/);
  assert.match(text, /^Say bread\.\nmill\n\(start · Data · weights · seed 42\)\n\nPLW 0, /);
});

test("a single run answers too, and sampling depends on the seed", async () => {
  const sampled = async (seed: number): Promise<string> =>
    (await ask(runs[0], "Say bread.", { temperature: 5, seed, maxNewTokens: 12 })).answers[0].text;
  assert.equal(await sampled(1), await sampled(1));
  assert.notEqual(await sampled(1), await sampled(2));
});

test("without a run to ask, and after an interrupt, nothing is generated", async () => {
  await assert.rejects(ask([], "Say bread."), /there is no run to ask; give at least one complete run/);
  const tensors = tf.memory().numTensors;
  await assert.rejects(ask(runs, "Say bread.", { signal: AbortSignal.abort(new Error("stopped")) }), /stopped/);
  assert.equal(tf.memory().numTensors, tensors);
});

test("runs without parameters are named, and the others answer", async () => {
  await pruneRuns(await planPruning([runs[1]], () => Promise.resolve([])));
  const [first, second] = runs.map(({ id }) => new RunStore(join(dir, "runs")).get(id)!);
  const { answers, unable, html, text } = await ask([second, first], "Say bread.", { maxNewTokens: 4 });
  assert.deepEqual(
    answers.map(({ plw }) => plw),
    [0],
  );
  assert.equal(unable[0].run, second.name);
  for (const shown of [html, text]) assert.match(shown, /were deleted on \d{4}-\d\d-\d\d to save space/);
  await assert.rejects(ask(second, "Say bread."), (error: unknown) => {
    assert.ok(error instanceof RunError);
    assert.match(error.message, /The parameters of run .* were deleted/);
    return true;
  });
});
