// Compares the decoder with PyTorch 2.13 and Transformers 5.23; loading, saving and generation.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { readModel } from "../../lib/model/directory";
import { createModel, loadModel } from "../../lib/model/causal-lm";
import { readSafetensors, writeSafetensors } from "../../lib/model/safetensors";
import { tf } from "../../lib/model/tensorflow";
import { SHARED, needsShared } from "../support/shared";
import { TINY } from "../support/tiny-model";
import { Worst } from "./close";

const FIXTURES = join(__dirname, "fixtures");
const scratch = mkdtempSync(join(tmpdir(), "promptloss-model-"));
after(() => rmSync(scratch, { recursive: true }));

test("a tiny model with an untied head and Llama 3 scaling: logits and greedy continuations", async () => {
  const reference = JSON.parse(readFileSync(join(FIXTURES, "torch.json"), "utf8")) as {
    items: { ids: number[] }[];
    lastLogits: number[][];
    greedy: number[][];
  };
  const model = loadModel(join(FIXTURES, "llama3-untied"));
  const worst = new Worst("logit, absolute");
  reference.items.forEach(({ ids }, i) => {
    model
      .logits(ids)
      .at(-1)!
      .forEach((logit, j) => worst.see(Math.abs(logit - reference.lastLogits[i][j]), `item ${i}, token ${j}`));
  });
  worst.atMost(1e-4);
  const together = await model.generate(
    reference.items.map(({ ids }) => ids),
    { maxNewTokens: 20 },
  );
  assert.deepEqual(
    together.map(({ ids }) => ids),
    reference.greedy,
  );
  const alone = await model.generate(reference.items[1].ids, { maxNewTokens: 20 });
  assert.deepEqual(alone.ids, reference.greedy[1]);
  model.dispose();
});

const DEV = ["reference", "torch", "dev.json"];

// Worst residuals seen: logits 1.7e-5, log-likelihood 5.7e-5.
test("stories260K: logits, greedy text and log-likelihoods", needsShared(...DEV), async () => {
  const reference = JSON.parse(readFileSync(join(SHARED, ...DEV), "utf8")) as {
    rows: { ids: number[]; logits: { positions: Record<string, number[]> } }[];
    generation: { prompt: string; generated_ids: number[]; text: string }[];
    loglikelihood: { context: string; continuation: string; sum: number; is_greedy: boolean }[];
  };
  const model = loadModel(join(SHARED, "models", "stories260K"));
  const logits = new Worst("logit, absolute");
  for (const [i, row] of reference.rows.entries()) {
    const all = model.logits(row.ids);
    for (const [position, expected] of Object.entries(row.logits.positions)) {
      expected.forEach((logit, j) =>
        logits.see(Math.abs(logit - all[Number(position)][j]), `row ${i}, position ${position}, token ${j}`),
      );
    }
  }
  logits.atMost(3e-4);
  const prompts = reference.generation.map(({ prompt }) => prompt);
  const maxNewTokens = Math.max(...reference.generation.map(({ generated_ids }) => generated_ids.length));
  for (const [i, { ids, text }] of (await model.generate(prompts, { maxNewTokens })).entries()) {
    assert.deepEqual(ids, reference.generation[i].generated_ids);
    assert.equal(text, reference.generation[i].text);
  }
  const sums = new Worst("log-likelihood, absolute");
  for (const { context, continuation, sum, is_greedy } of reference.loglikelihood) {
    const actual = model.logLikelihood(context, continuation);
    sums.see(Math.abs(actual.sum - sum), continuation);
    assert.equal(actual.isGreedy, is_greedy, continuation);
  }
  sums.atMost(1e-3);
  model.dispose();
});

test("saving and loading preserves a model; the seed determines the samples", async () => {
  const model = createModel(TINY, 5);
  const dir = join(scratch, "saved");
  model.save(dir);
  const again = loadModel(dir);
  assert.equal(again.digest, model.digest);
  assert.notEqual(createModel(TINY, 6).digest, model.digest);
  const sample = (seed: number) => again.generate([[1, 2, 3], [4]], { maxNewTokens: 12, temperature: 1, seed });
  assert.deepEqual(await sample(1), await sample(1));
  assert.notDeepEqual(await sample(1), await sample(2));
});

test("generation ends at each of several end tokens, and goes on past others", async () => {
  const model = createModel(TINY, 5);
  const [free] = await model.generate([[1, 2, 3]], { maxNewTokens: 8 });
  assert.equal(free.finish, "length");
  const end = free.ids[4];
  const first = free.ids.indexOf(end);
  const other = Array.from({ length: TINY.vocabularySize }, (_, id) => id).find((id) => !free.ids.includes(id))!;
  for (const stopIds of [[end], [other, end], [end, other]]) {
    const [{ ids, finish }] = await model.generate([[1, 2, 3]], { maxNewTokens: 8, stopIds });
    assert.deepEqual({ ids, finish }, { ids: free.ids.slice(0, first + 1), finish: "stop" });
  }
  const [past] = await model.generate([[1, 2, 3]], { maxNewTokens: 8, stopIds: [other] });
  assert.deepEqual(past.ids, free.ids);
});

test("sampled tokens have the frequencies of their probabilities", async () => {
  const model = createModel(TINY, 8);
  const [logits] = model.logits([7]);
  const masses = Array.from(logits, (x) => Math.exp(x / 0.05));
  const total = masses.reduce((a, b) => a + b, 0);
  const draws = 4000;
  const counts = new Array<number>(TINY.vocabularySize).fill(0);
  for (const { ids } of await model.generate(
    Array.from({ length: draws }, () => [7]),
    { maxNewTokens: 1, temperature: 0.05, seed: 3, batchSize: 1000 },
  ))
    counts[ids[0]]++;
  const expected = masses.map((mass) => (draws * mass) / total);
  const chiSquared = counts.reduce((sum, n, i) => sum + (n - expected[i]) ** 2 / expected[i], 0);
  assert.ok(chiSquared < 49 + 5 * Math.sqrt(98), `χ² ${chiSquared} on 49 degrees of freedom`);
});

test("shards and 16-bit parameters load as exact float32 values", () => {
  const dir = join(FIXTURES, "llama3-untied");
  const parameters = [...readModel(dir).parameters];
  const sharded = join(scratch, "sharded");
  loadModel(dir).save(sharded);
  rmSync(join(sharded, "model.safetensors"));
  const parts = [parameters.slice(0, 7), parameters.slice(7)];
  parts.forEach((part, i) => writeSafetensors(join(sharded, `part-${i}.safetensors`), new Map(part)));
  writeFileSync(
    join(sharded, "model.safetensors.index.json"),
    JSON.stringify({
      weight_map: Object.fromEntries(parts.flatMap((part, i) => part.map(([name]) => [name, `part-${i}.safetensors`]))),
    }),
  );
  assert.equal(loadModel(sharded).digest, loadModel(dir).digest);

  const header = (dtype: string) => {
    const json = JSON.stringify({ x: { dtype, shape: [6], data_offsets: [0, 12] } });
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(json.length));
    return Buffer.concat([length, Buffer.from(json)]);
  };
  const halves = (values: number[]) => Buffer.from(Uint16Array.from(values).buffer);
  const file = join(scratch, "half.safetensors");
  writeFileSync(file, Buffer.concat([header("F16"), halves([0x3c00, 0xc000, 0x0001, 0x03ff, 0x7c00, 0x3555])]));
  assert.deepEqual(
    [...readSafetensors(file).get("x")!.data],
    [1, -2, 2 ** -24, 1023 * 2 ** -24, Infinity, 0.333251953125],
  );
  writeFileSync(file, Buffer.concat([header("BF16"), halves([0x3f80, 0xc000, 0x0000, 0x3eab, 0x7f80, 0x4049])]));
  assert.deepEqual([...readSafetensors(file).get("x")!.data], [1, -2, 0, 0.333984375, Infinity, 3.140625]);
});

/** Saves a valid model, applies `change` to its directory, and returns a function that loads it. */
function loadingBroken(change: (dir: string) => void): () => void {
  const dir = join(scratch, "broken");
  rmSync(dir, { recursive: true, force: true });
  createModel(TINY, 5).save(dir);
  change(dir);
  return () => loadModel(dir);
}

test("an unsupported config is rejected by key and value, a wrong one by the tensors that do not fit", () => {
  const config = (change: Record<string, unknown>) =>
    loadingBroken((dir) => {
      const path = join(dir, "config.json");
      writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, "utf8")), ...change }));
    });
  assert.throws(
    config({ model_type: "gpt2" }),
    /model_type: "gpt2" is not implemented; implemented: llama, mistral, .*, phi3/,
  );
  assert.throws(config({ hidden_act: "gelu" }), /hidden_act: "gelu" is not implemented/);
  assert.throws(config({ attention_bias: true }), /8 tensors are missing: model.layers.0.self_attn.q_proj.bias/);
  assert.throws(
    config({ attention_sinks: 4 }),
    /attention_sinks: 4 is not implemented; if the model computes the same/,
  );
  assert.throws(config({ sliding_window: 4096 }), /sliding_window: 4096 is not implemented/);
  assert.throws(config({ quantization_config: { bits: 4 } }), /quantization_config: \{"bits":4\} is not implemented/);
  assert.throws(
    config({ rope_scaling: { rope_type: "proportional", factor: 4 } }),
    /rope_scaling: must be rope parameters of type default, linear, dynamic, llama3, yarn, longrope/,
  );
  assert.throws(
    config({ hidden_size: 32 }),
    /tensor "model.embed_tokens.weight" has shape \[50, 16\]; config.json requires \[50, 32\]/,
  );
  assert.throws(config({ num_hidden_layers: 3 }), /9 tensors are missing: model.layers.2/);
  assert.throws(config({ num_hidden_layers: 1 }), /9 tensors do not belong to a model of this config \(llama\)/);
});

test("a missing, truncated or damaged file is rejected with file and reason", () => {
  const file = (change: (bytes: Buffer) => Buffer) =>
    loadingBroken((dir) => {
      const path = join(dir, "model.safetensors");
      writeFileSync(path, change(readFileSync(path)));
    });
  assert.throws(
    file((bytes) => bytes.subarray(0, bytes.length - 100)),
    /model.safetensors: tensor ".*" occupies bytes .*truncated or damaged/,
  );
  const longHeader = file((bytes) => {
    bytes.writeBigUInt64LE(1n << 60n);
    return bytes;
  });
  assert.throws(longHeader, /claims a header of 1152921504606847000 bytes in a file of/);
  const invalidHeader = file((bytes) => {
    bytes[8] = 0x5b;
    return bytes;
  });
  assert.throws(invalidHeader, /header is not valid JSON/);
  assert.throws(
    file(() => Buffer.alloc(3)),
    /3 bytes is too short/,
  );
  assert.throws(
    loadingBroken((dir) => rmSync(join(dir, "config.json"))),
    /config.json: not found/,
  );
  assert.throws(
    loadingBroken((dir) => rmSync(join(dir, "model.safetensors"))),
    /neither model.safetensors nor/,
  );
  const outside = loadingBroken((dir) => {
    rmSync(join(dir, "model.safetensors"));
    writeFileSync(
      join(dir, "model.safetensors.index.json"),
      JSON.stringify({ weight_map: { x: "../../secret.safetensors" } }),
    );
  });
  assert.throws(outside, /"..\/..\/secret.safetensors" is not the name of a file in this directory/);
});

test("maxNewTokens may differ between prompts and does not change the tokens up to the limit", async () => {
  const model = createModel(TINY, 5);
  const prompts = [[1, 2], [3], [4, 5, 6]];
  const whole = await model.generate(prompts, { maxNewTokens: 6 });
  const limits = [2, 0, 6];
  const limited = await model.generate(prompts, { maxNewTokens: limits });
  assert.deepEqual(
    limited.map(({ ids }) => ids),
    whole.map(({ ids }, i) => ids.slice(0, limits[i])),
  );
  await assert.rejects(model.generate(prompts, { maxNewTokens: [1, 2] }), /maxNewTokens has 2 numbers for 3 prompts/);
  await assert.rejects(
    model.generate(prompts, { maxNewTokens: [1, -2, 3] }),
    /maxNewTokens must be a whole number of at least 0, got -2/,
  );
});

test("ids outside the vocabulary, empty and overlong sequences are rejected", () => {
  const model = createModel(TINY, 5);
  assert.throws(() => model.logits([1, 50]), /token id 50 is outside the model's vocabulary of 50/);
  assert.throws(() => model.logits([]), /empty sequence/);
  assert.throws(
    () => model.logits(new Array<number>(65).fill(1)),
    /65 tokens is longer than the model's context of 64/,
  );
});

test("inference and generation do not leak tensors", async () => {
  const model = createModel(TINY, 5);
  const use = async () => {
    model.logits([1, 2, 3]);
    model.logLikelihood([1, 2], [3, 4]);
    await model.generate([[1, 2], [3]], { maxNewTokens: 5 });
  };
  await use();
  const before = tf.memory().numTensors;
  await use();
  assert.equal(tf.memory().numTensors, before);
});
