// Against lm-evaluation-harness 0.4.13 on rows of the pocket benchmarks: fixtures/harness.json, by make_harness.py.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { evaluate } from "../../lib/evaluate/evaluate";
import { loadModel } from "../../lib/model/causal-lm";

interface Expected {
  task: string;
  shots: number;
  maxNewTokens: number | null;
  version: string;
  metrics: Record<string, number>;
  samples: {
    requests?: [string, string][];
    logLikelihoods?: number[];
    isGreedy?: boolean[];
    prompt?: string;
    text?: string;
    metrics: Record<string, number>;
  }[];
}
const fixtures = join(__dirname, "fixtures");
const expected = JSON.parse(readFileSync(join(fixtures, "harness.json"), "utf8")) as Expected[];
const model = loadModel(join(fixtures, "model"));
after(() => model.dispose());

/** Worst seen: 1.4e-5, for sums down to -172. */
const LOG_LIKELIHOOD = 1e-4;
/** Worst seen: 2.5e-6, of MC2, which follows the log-likelihoods of a float32 model; 7.4e-8 elsewhere. */
const METRIC = 1e-5;

for (const { task, shots, maxNewTokens, version, metrics, samples } of expected) {
  test(`${task}, ${shots} shots: requests, scores and errors as the harness has them`, async () => {
    const [result] = await evaluate(model, task, {
      dataDir: join(fixtures, "data"),
      fewShot: shots,
      maxNewTokens: maxNewTokens ?? undefined,
    });
    assert.equal(Number(result.version), Number(version));
    assert.equal(result.samples.length, samples.length);
    result.samples.forEach((sample, i) => {
      const wanted = samples[i];
      assert.equal(sample.id, i);
      if (wanted.requests) {
        assert.deepEqual(
          sample.requests.map(({ context, continuation }) => [context, continuation]),
          wanted.requests,
        );
        sample.requests.forEach(({ logLikelihood, isGreedy }, j) => {
          close(logLikelihood!, wanted.logLikelihoods![j], LOG_LIKELIHOOD, `item ${i}, choice ${j}`);
          assert.equal(isGreedy, wanted.isGreedy![j]);
        });
      } else {
        assert.equal(sample.requests[0].context, wanted.prompt);
        assert.equal(sample.requests[0].continuation, wanted.text);
      }
      for (const [name, value] of Object.entries(sample.metrics))
        close(value, wanted.metrics[name], METRIC, `item ${i}, ${name}`);
    });
    for (const [name, value] of Object.entries(result.metrics)) {
      close(value, metrics[name], METRIC, name);
      close(result.standardErrors[name]!, metrics[`${name}_stderr`], METRIC, `standard error of ${name}`);
    }
    assert.deepEqual(
      Object.keys(result.metrics).sort(),
      Object.keys(metrics)
        .filter((name) => !name.endsWith("_stderr"))
        .sort(),
    );
  });
}

test("the fixture has what it is meant to hold: cut contexts, and choices told apart", async () => {
  const [arc] = await evaluate(model, "arc_challenge", { dataDir: join(fixtures, "data"), fewShot: 3 });
  assert.ok(arc.truncatedRequests >= 4, `${arc.truncatedRequests} requests were cut`);
  assert.ok(new Set(arc.samples[0].requests.map(({ logLikelihood }) => logLikelihood)).size > 1);
});

function close(actual: number, wanted: number, tolerance: number, what: string): void {
  assert.ok(
    Math.abs(actual - wanted) <= tolerance,
    `${what}: ${actual} instead of ${wanted}, off by ${Math.abs(actual - wanted)}, allowed ${tolerance}`,
  );
}
