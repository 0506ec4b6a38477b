import assert from "node:assert/strict";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { readExamples, type Example } from "../../lib/data/example";
import { renderPrompt } from "../../lib/data/template";
import { tokenLength } from "../../lib/data/statistics";
import { evaluate, type EvaluateOptions } from "../../lib/evaluate/evaluate";
import { evaluateRuns } from "../../lib/evaluate/evaluate-runs";
import type { TaskResult } from "../../lib/evaluate/results";
import { corpusBleu } from "../../lib/metrics/bleu";
import { loadModel } from "../../lib/model/causal-lm";
import { RunStore, type Run } from "../../lib/runs/store";
import { heldoutFiles } from "../../lib/sweep/study";
import { parseStudy } from "../../lib/sweep/study-file";
import { train } from "../../lib/train/train";
import { QUICK, temporaryFolder, tinyExamples, tinyModel, writeJson } from "../runs/world";

const store = temporaryFolder();
const model = tinyModel(join(store, "start"), 1);
// the fourth row has the instruction of the second row and another answer
const unique = tinyExamples(6, 3);
const data = writeJson(join(store, "data.json"), [
  ...unique.slice(0, 3),
  { ...unique[1], output: "another answer" },
  ...unique.slice(3),
]);
const trainOn = (examples: Example[] | string): Promise<Run> =>
  train({
    model,
    examples,
    dataset: "Data",
    plw: 0,
    store,
    hyperparameters: { ...QUICK, learningRate: 0.02, epochs: 60 },
  });

const evaluateOne = async (run: Run, task: string, options: EvaluateOptions = {}): Promise<TaskResult> =>
  (await evaluate(run, task, options))[0];

test(
  "memorization: unique training prompts, length limit relative to the reference, the paper's BLEU, exact matches",
  { timeout: 120_000 },
  async () => {
    const run = await trainOn(data);
    const result = await evaluateOne(run, "memorization");
    const examples = readExamples(data);
    assert.deepEqual(result.samples.map(({ id }) => id).sort(), [0, 1, 2, 4, 5, 6]);
    assert.notDeepEqual(
      result.samples.map(({ id }) => id),
      [0, 1, 2, 4, 5, 6],
      "prompts are drawn in random order",
    );
    const tokenizer = loadModel(run.weightsDir).needTokenizer();
    for (const {
      id,
      requests: [{ context, continuation }],
      references,
      finish,
      metrics,
    } of result.samples) {
      const { prompt, completion } = renderPrompt(examples[id]);
      assert.deepEqual([context, references], [prompt, [completion]]);
      assert.equal(metrics.exact_match, Number(continuation.trim() === completion.trim()));
      const [length, limit] = [tokenLength(continuation, tokenizer), tokenLength(completion, tokenizer) + 1 + 16];
      assert.ok(finish === "stop" || Math.abs(length - limit) <= 2, `${length} tokens of at most ${limit}`);
      assert.ok(length <= limit + 2);
    }
    const bleu = corpusBleu(
      result.samples.map(({ requests }) => requests[0].continuation),
      [result.samples.map(({ references }) => references![0])],
    );
    assert.equal(result.metrics.bleu, bleu.score);
    assert.match(bleu.signature, /^nrefs:1\|case:mixed\|eff:no\|tok:13a\|smooth:exp\|/); // appendix C.4
    assert.equal(
      result.metrics.exact_match,
      result.samples.reduce((sum, { metrics }) => sum + metrics.exact_match, 0) / 6,
    );
    assert.ok(result.metrics.bleu > 20, `sixty epochs on seven rows give BLEU above 20, got ${result.metrics.bleu}`);
    assert.deepEqual(
      (await evaluateOne(run, "memorization", { limit: 2 })).samples.map(({ id }) => id),
      result.samples.slice(0, 2).map(({ id }) => id),
    );

    rmSync(data);
    await assert.rejects(
      evaluateOne(run, "memorization"),
      /cannot find the rows of Data that the run was trained on: .*data\.json/,
    );
    writeFileSync(data, JSON.stringify(unique));
    await assert.rejects(evaluateOne(run, "memorization"), /data\.json has changed since the run was trained on it/);
    const start = loadModel(model);
    after(() => start.dispose());
    await assert.rejects(evaluate(start, "memorization"), /this needs a run/);
  },
);

test(
  "memorization-heldout: uses the held-out rows of the run's dataset, with the same transform",
  { timeout: 120_000 },
  async () => {
    const long = (seed: number): Example[] =>
      tinyExamples(8, seed).map((example) => ({
        ...example,
        output: `${example.output} ${example.output} ${example.output}`,
      }));
    const [file, heldout] = [
      writeJson(join(store, "long.json"), long(5)),
      writeJson(join(store, "heldout.json"), long(6)),
    ];
    const study = parseStudy(
      {
        name: "s",
        models: { m: model },
        datasets: { Data: { path: file }, Short: { from: "Data", transform: "invertLongCompletions" } },
        heldout,
      },
      "test",
    );
    const files = heldoutFiles(study, store);
    assert.equal(files.Data, heldout);
    const inverted = readExamples(files.Short);
    assert.ok(
      inverted.some(({ input }) => long(6).some(({ output }) => output === input)),
      "a completion became a prompt",
    );
    assert.deepEqual(heldoutFiles({ ...study, heldout: undefined }, store), {});

    const run = (await trainOn(file)).named({ model: { name: "m" }, data: { name: "Short" } });
    const result = await evaluateOne(run, "memorization-heldout", { heldout: files, limit: 3 });
    for (const { id, references } of result.samples) assert.deepEqual(references, [inverted[id].output]);
    await assert.rejects(
      evaluateOne(run, "memorization-heldout", { heldout: { Data: heldout } }),
      /heldout names no file for the data set Short; it has Data/,
    );
    // the option heldout reaches the workers
    const [{ results }] = await evaluateRuns([new RunStore(store).get(run.id)!], ["memorization-heldout"], {
      heldout: { Data: heldout },
      limit: 2,
      workers: 1,
    });
    assert.deepEqual(
      results.map(({ task, items }) => [task, items]),
      [["memorization-heldout", 2]],
    );
  },
);

test(
  "a reference as long as the context: a short prompt is kept whole, a long one leaves half of the context",
  { timeout: 120_000 },
  async () => {
    const word = (count: number) => "ba ".repeat(count).trim();
    const start = loadModel(model);
    after(() => start.dispose());
    const tokenizer = start.needTokenizer();
    const { maxPositions } = start.config;
    const rows: Example[] = [
      { instruction: "Say it.", input: "", output: word(maxPositions) },
      { instruction: word(maxPositions), input: "", output: word(maxPositions) },
    ];
    // training truncates the rows to the context
    const run = await train({
      model,
      examples: writeJson(join(store, "endless.json"), rows),
      dataset: "Endless",
      plw: 1,
      store,
      hyperparameters: { ...QUICK, maxSteps: 1, maxLength: maxPositions },
    });
    const result = await evaluateOne(run, "memorization");
    assert.equal(result.truncatedRequests, 1);
    for (const {
      id,
      requests: [{ context, continuation }],
      finish,
    } of result.samples) {
      const limit = id === 0 ? maxPositions - tokenizer.encode(context).length : maxPositions / 2;
      const length = tokenLength(continuation, tokenizer);
      assert.ok(
        finish === "stop" ? length < limit : Math.abs(length - limit) <= 2,
        `${length} tokens of at most ${limit}`,
      );
    }
  },
);
