// Compares with lm-evaluation-harness 0.4.13 on rows of the pocket benchmarks. make_harness.py creates
// fixtures/harness.json.
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

/** Tolerance in nats. Largest difference observed: 1.4e-5, for sums down to -172. */
const LOG_LIKELIHOOD_TOLERANCE = 1e-4;
/**
 * Tolerance. Largest difference observed: 2.5e-6 for MC2, which depends on the log-likelihoods of a float32 model;
 * 7.4e-8 for all other metrics.
 */
const METRIC_TOLERANCE = 1e-5;

for (const { task, shots, maxNewTokens, version, metrics, samples } of expected) {
  test(`${task}, ${shots} shots: requests, scores and standard errors equal the harness's`, async () => {
    const [result] = await evaluate(model, task, {
      dataDir: join(fixtures, "data"),
      fewShot: shots,
      maxNewTokens: maxNewTokens ?? undefined,
    });
    assert.equal(Number(result.version), Number(version));
    assert.equal(result.samples.length, samples.length);
    result.samples.forEach((sample, i) => {
      const expectedSample = samples[i];
      assert.equal(sample.id, i);
      if (expectedSample.requests) {
        assert.deepEqual(
          sample.requests.map(({ context, continuation }) => [context, continuation]),
          expectedSample.requests,
        );
        sample.requests.forEach(({ logLikelihood, isGreedy }, j) => {
          assertClose(
            logLikelihood!,
            expectedSample.logLikelihoods![j],
            LOG_LIKELIHOOD_TOLERANCE,
            `item ${i}, choice ${j}`,
          );
          assert.equal(isGreedy, expectedSample.isGreedy![j]);
        });
      } else {
        assert.equal(sample.requests[0].context, expectedSample.prompt);
        assert.equal(sample.requests[0].continuation, expectedSample.text);
      }
      for (const [name, value] of Object.entries(sample.metrics))
        assertClose(value, expectedSample.metrics[name], METRIC_TOLERANCE, `item ${i}, ${name}`);
    });
    for (const [name, value] of Object.entries(result.metrics)) {
      assertClose(value, metrics[name], METRIC_TOLERANCE, name);
      assertClose(
        result.standardErrors[name]!,
        metrics[`${name}_stderr`],
        METRIC_TOLERANCE,
        `standard error of ${name}`,
      );
    }
    assert.deepEqual(
      Object.keys(result.metrics).sort(),
      Object.keys(metrics)
        .filter((name) => !name.endsWith("_stderr"))
        .sort(),
    );
  });
}

test("the fixture contains truncated contexts and choices with different log-likelihoods", async () => {
  const [arc] = await evaluate(model, "arc_challenge", { dataDir: join(fixtures, "data"), fewShot: 3 });
  assert.ok(arc.truncatedRequests >= 4, `${arc.truncatedRequests} requests were truncated`);
  assert.ok(new Set(arc.samples[0].requests.map(({ logLikelihood }) => logLikelihood)).size > 1);
});

function assertClose(actual: number, expected: number, tolerance: number, label: string): void {
  assert.ok(
    Math.abs(actual - expected) <= tolerance,
    `${label}: ${actual} instead of ${expected}, difference ${Math.abs(actual - expected)}, allowed ${tolerance}`,
  );
}
