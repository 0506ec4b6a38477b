// Compares evaluation through a chat template with lm-evaluation-harness 0.4.13 (--apply_chat_template) on rows of the
// pocket benchmarks. make_chat_harness.py creates fixtures/chat.
import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { ALPACA_TEMPLATE } from "../../lib/data/template";
import { chatFormOf } from "../../lib/evaluate/chat-form";
import { evaluate } from "../../lib/evaluate/evaluate";
import type { TaskOptions } from "../../lib/evaluate/evaluate-options";
import { preparePrompts } from "../../lib/evaluate/generation";
import { prepareChoices } from "../../lib/evaluate/multiple-choice";
import { askingOf, prepareQuestions, type PreparedItem } from "../../lib/evaluate/prepare";
import { findTasks } from "../../lib/evaluate/registry";
import { modelInput } from "../../lib/evaluate/request-tokens";
import { subjectOf } from "../../lib/evaluate/subject";
import type { ChoiceQuestion, GenerationQuestion } from "../../lib/evaluate/task";
import { loadModel, type CausalLM } from "../../lib/model/causal-lm";
import { Worst } from "../model/close";

interface ExpectedSample {
  /** multiple choice: the contexts that differ */
  contexts?: { text: string; ids: number[] }[];
  /** context: index into `contexts` */
  requests?: { context: number; continuation: string; ids: number[] }[];
  logLikelihoods?: number[];
  isGreedy?: boolean[];
  /** generation */
  prompt?: string;
  ids?: number[];
  text?: string;
  metrics: Record<string, number>;
}
interface Expected {
  task: string;
  shots: number;
  items: number;
  maxNewTokens: number | null;
  template: "marked" | "bracketed";
  asTurns: boolean;
  system: string | null;
  version: string;
  metrics: Record<string, number>;
  samples: ExpectedSample[];
}

/** Tolerance in nats. Largest difference observed: 1.2e-5. */
const LOG_LIKELIHOOD_TOLERANCE = 1e-4;
/** Largest difference observed: 4.7e-8. */
const METRIC_TOLERANCE = 1e-6;

const fixtures = join(__dirname, "fixtures");
const expected = JSON.parse(readFileSync(join(fixtures, "chat", "harness.json"), "utf8")) as Expected[];
const scratch = mkdtempSync(join(tmpdir(), "promptloss-chat-"));
const models = new Map<string, CausalLM>();

/** The model with one of the templates. */
function modelWith(template: string): CausalLM {
  const dir = join(scratch, template);
  if (!models.has(template)) {
    cpSync(join(fixtures, "chat", "model"), dir, { recursive: true });
    cpSync(join(fixtures, "chat", "templates", `${template}.jinja`), join(dir, "chat_template.jinja"));
    models.set(template, loadModel(dir));
  }
  return models.get(template)!;
}
after(() => {
  for (const model of models.values()) model.dispose();
  rmSync(scratch, { recursive: true });
});

function optionsOf({ shots, items, maxNewTokens, asTurns, system }: Expected): TaskOptions {
  return {
    dataDir: join(fixtures, "data"),
    fewShot: shots,
    limit: items,
    ...(maxNewTokens !== null && { maxNewTokens }),
    chatTemplate: true,
    fewShotAsTurns: asTurns,
    ...(system !== null && { systemPrompt: system }),
  };
}

for (const run of expected) {
  const { task, shots, template, asTurns, system, samples, metrics, maxNewTokens } = run;
  const name = `${task}, template ${template}, ${shots} shots ${asTurns ? "as turns" : "in one message"}${system === null ? "" : ", system message"}`;

  test(`${name}: requests, scores and standard errors equal the harness's`, async () => {
    const [result] = await evaluate(modelWith(template), task, optionsOf(run));
    const form = `chat${asTurns && shots > 0 ? ".turns" : ""}${system === null ? "" : ".system"}`;
    assert.match(result.version, new RegExp(`^${run.version.replace(".", "\\.")}\\+${form.replaceAll(".", "\\.")}$`));
    assert.equal(result.samples.length, samples.length);
    const logLikelihoods = new Worst("log-likelihood in nats");
    const numbers = new Worst("metric");
    result.samples.forEach((sample, i) => {
      const { contexts, requests, logLikelihoods: wanted, isGreedy, prompt, text, metrics: ofItem } = samples[i];
      assert.equal(sample.id, i);
      if (requests) {
        assert.deepEqual(
          sample.requests.map(({ context: before, continuation }) => [before, continuation]),
          requests.map(({ context: which, continuation }) => [contexts![which].text, continuation]),
        );
        sample.requests.forEach((request, j) => {
          logLikelihoods.see(Math.abs(request.logLikelihood! - wanted![j]), `item ${i}, choice ${j}`);
          assert.equal(request.isGreedy, isGreedy![j]);
        });
      } else assert.deepEqual([sample.requests[0].context, sample.requests[0].continuation], [prompt, text]);
      for (const [key, value] of Object.entries(sample.metrics))
        numbers.see(Math.abs(value - ofItem[key]), `item ${i}, ${key}`);
    });
    assert.ok(Object.keys(result.metrics).length > 0);
    for (const [key, value] of Object.entries(result.metrics)) {
      numbers.see(Math.abs(value - metrics[key]), key);
      numbers.see(Math.abs(result.standardErrors[key]! - metrics[`${key}_stderr`]), `standard error of ${key}`);
    }
    if (maxNewTokens === null) logLikelihoods.atMost(LOG_LIKELIHOOD_TOLERANCE);
    numbers.atMost(METRIC_TOLERANCE);
  });

  test(`${name}: token ids equal the harness's`, async () => {
    const model = modelWith(template);
    const [found] = findTasks([task]);
    const options = optionsOf(run);
    const form = chatFormOf(options, subjectOf(model));
    const asking = askingOf(found, options, ALPACA_TEMPLATE, form);
    const items = (await prepareQuestions(found, found.data.items as string[][], asking)).items();
    if (found.kind === "multiple choice") {
      const { sequences } = await prepareChoices(model, items as PreparedItem<ChoiceQuestion>[], form);
      assert.deepEqual(
        sequences,
        samples.map(({ contexts, requests }) =>
          requests!.map(({ context, ids: continuation }) => ({
            input: modelInput({ context: contexts![context].ids, continuation }, model.config.maxPositions).input,
            continuation,
          })),
        ),
      );
    } else {
      const questions = items as PreparedItem<GenerationQuestion>[];
      const { prompts } = await preparePrompts(model, found, questions, maxNewTokens!, form);
      assert.deepEqual(
        prompts,
        samples.map(({ ids }) => ids),
      );
    }
  });
}

test("the fixture has answers that end by themselves and answers that do not, with either template", async () => {
  for (const template of ["marked", "bracketed"]) {
    const finishes = new Set<string | undefined>();
    for (const run of expected.filter((entry) => entry.template === template && entry.maxNewTokens !== null)) {
      const [{ samples }] = await evaluate(modelWith(template), run.task, optionsOf(run));
      for (const { finish, requests } of samples) if (requests[0].continuation !== "") finishes.add(finish);
    }
    assert.deepEqual([...finishes].sort(), ["length", "stop"], template);
  }
});
