// Compares with lm-evaluation-harness 0.4.13 on real benchmark rows and a real small model. Requests, metrics and
// standard errors are compared for every item; log-likelihoods for the first items, or with PROMPTLOSS_ALL_ITEMS=1 for
// all items, which takes minutes.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { ALPACA_TEMPLATE } from "../../lib/data/template";
import { evaluate } from "../../lib/evaluate/evaluate";
import { aggregate } from "../../lib/evaluate/means";
import { prepareTask } from "../../lib/evaluate/prepare";
import { findTasks } from "../../lib/evaluate/registry";
import type { GenerationTask, MultipleChoiceTask, PromptFormat } from "../../lib/evaluate/task";
import { scoreTranslations } from "../../lib/evaluate/translation-scores";
import { loadModel, type CausalLM } from "../../lib/model/causal-lm";
import { temporaryFolder } from "../runs/world";
import { SHARED, needsShared } from "../support/shared";

const ALL_ITEMS = process.env.PROMPTLOSS_ALL_ITEMS === "1";

/**
 * Tolerance in nats. Largest difference observed: 2.8e-4 over all items of PIQA, 1e-4 over all of TruthfulQA, 6.4e-5
 * over the first 40 items of ARC with 25 shots.
 */
const LOG_LIKELIHOOD_TOLERANCE = 1e-3;

interface Golden {
  aggregates: Record<string, number>;
  truncated_requests: number;
  docs: {
    requests_sha256: string;
    lls: number[];
    is_greedy: boolean[];
    metrics: Record<string, number>;
    prompt_sha256: string;
    generated: string;
  }[];
}

const reference = join(SHARED, "reference", "lm-eval");
const readGolden = (name: string) =>
  JSON.parse(readFileSync(join(reference, "golden", `${name}.json`), "utf8")) as Golden;
const hash = (text: string) => createHash("sha256").update(text).digest("hex");
const round = (value: number | null) => Number(value!.toPrecision(4));

let loaded: CausalLM | undefined;
const model = () => (loaded ??= loadModel(join(SHARED, "models", "stories260K")));
after(() => loaded?.dispose());

/** Copies the reference's files to the file names that the tasks expect. */
function dataFolder(): string {
  const dir = temporaryFolder();
  const files = {
    arc_challenge_test: "arc_challenge/test",
    arc_challenge_train: "arc_challenge/train",
    piqa_validation_0_918_without_314: "piqa/validation",
    piqa_too_long_row314: "too-long/validation",
    truthfulqa_mc_validation_first408: "truthfulqa_mc2/validation",
    "wmt16_de-en_validation20": "wmt16-de-en/validation",
    "wmt16_de-en_validation20_test20": "wmt16-de-en/both",
  };
  for (const [from, to] of Object.entries(files)) {
    const source = join(reference, "data", `${from}.jsonl`);
    if (!existsSync(source)) continue;
    mkdirSync(join(dir, to, ".."), { recursive: true });
    cpSync(source, join(dir, `${to}.jsonl`));
  }
  return dir;
}

const CHOICES: [golden: string, task: string, shots: number, scored: number][] = [
  ["arc_challenge_25shot", "arc_challenge", 25, 4],
  ["arc_challenge_2shot", "arc_challenge", 2, 8],
  ["piqa_first918_0shot", "piqa", 0, 12],
  ["truthfulqa_mc2_first408", "truthfulqa_mc2", 0, 8],
];

for (const [name, task, shots, scored] of CHOICES) {
  test(
    `${name}: all requests, metrics and standard errors; log-likelihoods of the first ${scored} items`,
    needsShared("reference", "lm-eval", "golden", `${name}.json`),
    async (context) => {
      const { docs, aggregates } = readGolden(name);
      const [choice] = findTasks([task]) as MultipleChoiceTask[];
      const dataDir = dataFolder();
      const prepared = await prepareTask(
        choice,
        (row) => choice.question(row, { format: "harness", template: ALPACA_TEMPLATE }),
        { splits: choice.data.items as string[][], dataDir, shots, limit: null },
      );
      const items = prepared.items();
      assert.equal(items.length, docs.length);
      const perItem = items.map(({ question, contexts }, i) => {
        const texts = question.requests.map(({ continuation }, j) => `${contexts[j]}\u001f${continuation}`);
        assert.equal(hash(texts.join("\u001e")), docs[i].requests_sha256, `requests of item ${i}`);
        return Object.fromEntries(
          Object.entries(choice.metrics).map(([metric, compute]) => [metric, compute(question, docs[i].lls)]),
        );
      });
      const { metrics, standardErrors } = aggregate(perItem);
      for (const metric of Object.keys(choice.metrics)) {
        assert.equal(round(metrics[metric]), round(aggregates[metric]));
        assert.equal(round(standardErrors[metric]), round(aggregates[`${metric}_stderr`]));
      }
      const [result] = await evaluate(model(), task, { dataDir, fewShot: shots, ...(!ALL_ITEMS && { limit: scored }) });
      let worst = 0;
      const nearTies: number[] = [];
      result.samples.forEach(({ requests, metrics: sampleMetrics }, i) => {
        requests.forEach(({ logLikelihood, isGreedy }, j) => {
          const difference = Math.abs(logLikelihood! - docs[i].lls[j]);
          worst = Math.max(worst, difference);
          assert.ok(
            difference < LOG_LIKELIHOOD_TOLERANCE,
            `item ${i}, choice ${j}: ${logLikelihood} instead of ${docs[i].lls[j]}, difference ${difference}`,
          );
          assert.equal(isGreedy, docs[i].is_greedy[j]);
        });
        const same = Object.keys(choice.metrics).every(
          (metric) => Math.abs(sampleMetrics[metric] - docs[i].metrics[metric]) < 1e-4,
        );
        if (!same) nearTies.push(i);
      });
      context.diagnostic(
        `largest log-likelihood difference of ${result.samples.length} items: ${worst.toExponential(1)}; ` +
          `items with different metrics because of a near-tie: ${nearTies.join(", ") || "none"}`,
      );
      for (const i of nearTies) {
        const values = [...docs[i].lls].sort((a, b) => b - a);
        assert.ok(
          values[0] - values[1] < 2 * LOG_LIKELIHOOD_TOLERANCE,
          `item ${i} has different metrics without a near-tie`,
        );
      }
      if (ALL_ITEMS && nearTies.length === 0)
        for (const metric of Object.keys(choice.metrics)) {
          assert.equal(round(result.metrics[metric]), round(aggregates[metric]), metric);
          assert.equal(
            round(result.standardErrors[metric]),
            round(aggregates[`${metric}_stderr`]),
            `standard error of ${metric}`,
          );
        }
    },
  );
}

const GENERATIONS: [golden: string, shots: number, format: PromptFormat][] = [
  ["wmt16-de-en", 0, "harness"],
  ["wmt16-de-en_2shot", 2, "harness"],
  ["wmt16-de-en_instruct", 0, "harness+instruction"],
];

for (const [name, shots, format] of GENERATIONS) {
  test(
    `${name}: all prompts, greedy text, scores and standard errors`,
    needsShared("reference", "lm-eval", "golden", `${name}.json`),
    async () => {
      const { docs, aggregates, truncated_requests: truncated } = readGolden(name);
      const [original] = findTasks(["wmt16-de-en"]);
      // the reference has both splits in one file, and draws examples from the first split
      const task = { ...original, data: { ...original.data, items: [["wmt16-de-en/both"]] } } as GenerationTask;
      const [result] = await evaluate(model(), [task], {
        dataDir: dataFolder(),
        fewShot: shots,
        maxNewTokens: 48,
        format,
      });
      result.samples.forEach(({ requests: [{ context, continuation }] }, i) => {
        assert.equal(hash(context), docs[i].prompt_sha256, `prompt of item ${i}`);
        assert.equal(continuation, docs[i].generated, `text of item ${i}`);
      });
      assert.equal(result.truncatedRequests, truncated);
      for (const metric of ["bleu", "ter", "chrf"]) {
        assert.equal(round(result.metrics[metric]), round(aggregates[metric]), metric);
        assert.equal(
          round(result.standardErrors[metric]),
          round(aggregates[`${metric}_stderr`]),
          `standard error of ${metric}`,
        );
      }
    },
  );
}

test(
  "wmt16-de-en_scripted: scores and standard errors of partly correct translations",
  needsShared("reference", "lm-eval", "golden", "wmt16-de-en_scripted.json"),
  () => {
    const { docs, aggregates } = readGolden("wmt16-de-en_scripted") as unknown as {
      docs: { generated: string; target: string }[];
      aggregates: Record<string, number>;
    };
    const { metrics, standardErrors } = scoreTranslations(
      docs.map(({ generated, target }) => ({
        text: generated,
        question: { prompt: "", solved: { question: "", delimiter: "", answer: target }, references: [target] },
      })),
    );
    for (const metric of ["bleu", "ter", "chrf"]) {
      assert.ok(
        Math.abs(metrics[metric] - aggregates[metric]) < 1e-6,
        `${metric}: ${metrics[metric]} instead of ${aggregates[metric]}`,
      );
      assert.ok(
        Math.abs(standardErrors[metric]! - aggregates[`${metric}_stderr`]) < 1e-6,
        `standard error of ${metric}`,
      );
    }
  },
);

test(
  "leaves out a PIQA row whose choices exceed the context, where the harness fails",
  needsShared("reference", "lm-eval", "data", "piqa_too_long_row314.jsonl"),
  async () => {
    const [piqa] = findTasks(["piqa"]);
    const [result] = await evaluate(
      model(),
      [{ ...piqa, data: { ...piqa.data, items: [["too-long/validation"], ["piqa/validation"]] } }],
      { dataDir: dataFolder(), limit: 2 },
    );
    assert.deepEqual(
      result.leftOut.map(({ id }) => id),
      [0],
    );
    assert.deepEqual(
      result.samples.map(({ id }) => id),
      [1],
    );
  },
);
