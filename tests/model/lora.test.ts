// Compares adapters with PEFT 0.21.2 on tiny models of several families (fixtures/make_lora.py): logits, losses, gradients,
// AdamW steps, merged weights, dropout by given masks, and files in both directions.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { adapterBase } from "../../lib/data/adapter-base";
import { weightDistance } from "../../lib/metrics/distance";
import { adapterModules, adapterNames, adapterShapes, initialAdapter, type AdapterSettings } from "../../lib/model/adapter"; // prettier-ignore
import { readAdapter } from "../../lib/model/adapter-files";
import { loadModel, type CausalLM } from "../../lib/model/causal-lm";
import { composed } from "../../lib/model/composed";
import { readModel } from "../../lib/model/directory";
import { dropoutMasks } from "../../lib/model/dropout";
import { directoryDigest } from "../../lib/model/model-digest";
import { operations } from "../../lib/model/operations";
import { readSafetensors, type HostTensor } from "../../lib/model/safetensors";
import { tf } from "../../lib/model/tensorflow";
import { microBatchLoss, type Dropout } from "../../lib/train/loss";
import { AdamW } from "../../lib/train/optimizer";
import { batchLoss } from "../../lib/train/trainer";
import { Worst, relative } from "./close";
import { encoded, type ReferenceRows, type ReferenceSteps } from "./reference";

/** What make_lora.py writes for a case. */
interface Reference extends ReferenceRows {
  losses: { plw: number; loss: number }[];
  mergedLogits: number[][];
  mergedDistances: Record<string, number>;
  steps: ReferenceSteps;
}

const FIXTURES = join(__dirname, "fixtures");
const LORA = join(FIXTURES, "lora");
const CASES = readdirSync(LORA).sort();
const scratch = mkdtempSync(join(tmpdir(), "promptloss-lora-"));
after(() => rmSync(scratch, { recursive: true }));

const directory = (name: string) => join(LORA, name);
const json = <T>(name: string, file: string) => JSON.parse(readFileSync(join(directory(name), file), "utf8")) as T;
const reference = (name: string) => json<Reference>(name, "reference.json");
const tensors = (name: string, file: string) => readSafetensors(join(directory(name), `${file}.safetensors`));

/** The settings with which PEFT made a case; targets are named without the layers. */
function settingsOf(name: string): AdapterSettings {
  const config = json<{ r: number; lora_alpha: number; lora_dropout: number; use_rslora: boolean; target_modules: string[] }>(name, "adapter_config.json"); // prettier-ignore
  const targets = [...new Set(config.target_modules.map((module) => module.split(".").at(-1)!))];
  return {
    rank: config.r,
    alpha: config.lora_alpha,
    dropout: config.lora_dropout,
    rsLora: config.use_rslora,
    targets: targets as ("q_proj" | "v_proj")[],
  };
}

/** Loads the base of a case with its adapter beside it, hands it to `use`, and disposes it. */
function withAdapter<T>(name: string, use: (model: CausalLM) => T): T {
  const model = loadModel(adapterBase(directory(name)));
  try {
    model.addAdapter(settingsOf(name), tensors(name, "adapter_model"));
    return use(model);
  } finally {
    model.dispose();
  }
}

/** The masks of make_lora.py, for the rows of a pass. */
function givenMasks(name: string, model: CausalLM): Dropout | undefined {
  const settings = settingsOf(name);
  if (settings.dropout === 0) return undefined;
  const modules = adapterModules(model.config, settings.targets).map((module) => `base_model.model.${module.name}`).sort(); // prettier-ignore
  const lengths = reference(name).rows.map(({ ids }) => ids.length);
  return (examples, rows) => (module, inputs) => {
    const index = modules.indexOf(`base_model.model.${module}`);
    const data = new Float32Array(rows * inputs);
    let start = 0;
    for (const row of examples) {
      for (let t = 0; t < lengths[row]; t++)
        for (let j = 0; j < inputs; j++)
          data[(start + t) * inputs + j] = (t * 7 + j * 13 + index * 5 + row * 3) % 5 === 0 ? 0 : 1.25;
      start += lengths[row];
    }
    return tf.tensor2d(data, [rows, inputs]);
  };
}

const flat = (values: ArrayLike<number>) => Array.from(values);
const norm = (values: readonly number[]) => Math.sqrt(values.reduce((sum, x) => sum + x * x, 0));
/** Norm of the difference, relative to that of the expected values. */
const distance = (actual: ArrayLike<number>, expected: ArrayLike<number>) =>
  norm(flat(actual).map((x, i) => x - expected[i])) / norm(flat(expected));

for (const name of CASES) {
  test(`${name}: logits beside the base, and merged`, () => {
    const expected = reference(name);
    const merged = loadModel(directory(name));
    const logits = new Worst("logit, absolute");
    expected.mergedLogits.forEach((values, i) => {
      const actual = merged.logits(expected.rows[i].ids).at(-1)!;
      values.forEach((value, j) => logits.see(Math.abs(actual[j] - value), `merged, row ${i}`));
    });
    merged.dispose();
    if (settingsOf(name).dropout === 0)
      withAdapter(name, (model) => {
        expected.rows.forEach(({ ids, logits: some }, i) => {
          const actual = model.logits(ids);
          for (const [t, values] of Object.entries(some))
            values.forEach((value, j) => logits.see(Math.abs(actual[Number(t)][j] - value), `row ${i}, token ${t}`));
        });
      });
    logits.atMost(1e-4);
  });

  test(`${name}: merged weights, and their distances from the base`, () => {
    const expected = reference(name).mergedDistances;
    const { perTensor } = weightDistance(adapterBase(directory(name)), directory(name));
    const distances = new Worst("distance of a weight, relative");
    const names = Object.keys(expected).filter((parameter) => parameter in perTensor);
    assert.deepEqual(names.sort(), Object.keys(perTensor).sort());
    for (const parameter of names) {
      if (expected[parameter] === 0) assert.equal(perTensor[parameter], 0, parameter);
      else distances.see(relative(perTensor[parameter], expected[parameter]), parameter);
    }
    distances.atMost(1e-6);
    const stored = tensors(name, "merged");
    const ours = readStored(name);
    const weights = new Worst("merged weight, relative to the tensor's norm");
    for (const [parameter, { data }] of stored) weights.see(distance(ours.get(parameter)!.data, data), parameter);
    weights.atMost(1e-6);
  });

  test(`${name}: losses and gradients of A and B, together and row by row`, () => {
    const expected = reference(name);
    const examples = encoded(expected);
    const gradients = tensors(name, "gradients");
    withAdapter(name, (model) => {
      const optimizer = new AdamW(model, expected.steps);
      const losses = new Worst("loss, relative");
      const slopes = new Worst("gradient of a tensor, relative");
      for (const microBatchSize of [examples.length, 1]) {
        for (const { plw, loss } of expected.losses) {
          const options = { plw, normalizer: "weights" as const, microBatchSize };
          const dropout = givenMasks(name, model);
          const { sums, gradient } = batchLoss(model, optimizer, examples, { ...options, ...(dropout && { dropout }) });
          losses.see(relative(sums.loss, loss), `PLW ${plw}, ${microBatchSize} rows a pass`);
          if (plw === expected.steps.plw)
            [...model.trainable.keys()].forEach((tensor, i) =>
              slopes.see(distance(gradient[i].dataSync(), gradients.get(tensor)!.data), tensor),
            );
          tf.dispose(gradient);
        }
      }
      optimizer.dispose();
      assert.deepEqual([...gradients.keys()].sort(), [...model.trainable.keys()].sort());
      losses.atMost(1e-5);
      slopes.atMost(1e-4);
    });
  });

  test(`${name}: five AdamW steps`, () => {
    const expected = reference(name);
    const examples = encoded(expected);
    const { learningRate, clip, losses: expectedLosses, ...settings } = expected.steps;
    const start = tensors(name, "adapter_model");
    const end = tensors(name, "after");
    withAdapter(name, (model) => {
      const optimizer = new AdamW(model, settings);
      const losses = new Worst("loss over five AdamW steps, relative");
      expectedLosses.forEach((loss, i) => {
        const dropout = givenMasks(name, model);
        const options = { ...settings, microBatchSize: examples.length, ...(dropout && { dropout }) };
        const { sums, gradient, gradientNorm } = batchLoss(model, optimizer, examples, options);
        losses.see(relative(sums.loss, loss), `step ${i + 1}`);
        optimizer.update(gradient, i + 1, learningRate, Math.min(1, clip / (gradientNorm + 1e-6)));
      });
      optimizer.dispose();
      losses.atMost(1e-5);
      const moves = new Worst("change of a tensor over five steps, relative");
      for (const [tensor, { data }] of model.trainableValues()) {
        const moved = (values: ArrayLike<number>) => flat(values).map((x, i) => x - start.get(tensor)!.data[i]);
        moves.see(distance(moved(data), moved(end.get(tensor)!.data)), tensor);
      }
      moves.atMost(2e-3); // where a gradient is nearly 0, AdamW's first steps depend on its rounding
    });
  });

  test(`${name}: files as PEFT has them`, () => {
    const { config } = readModel(adapterBase(directory(name)));
    const shapes = [...tensors(name, "adapter_model")].map(([tensor, { shape }]) => [tensor, shape]);
    assert.deepEqual(Object.fromEntries(adapterShapes(config, settingsOf(name))), Object.fromEntries(shapes));
    withAdapter(name, (model) => {
      const dir = join(scratch, name);
      model.saveAdapter(dir, {
        path: adapterBase(directory(name)),
        digest: directoryDigest(adapterBase(directory(name))),
      });
      const [ours, theirs] = [readAdapter(dir), readAdapter(directory(name))];
      assert.equal(ours.scale, theirs.scale);
      for (const [module, { a, b }] of theirs.modules)
        assert.deepEqual([ours.modules.get(module)!.a.data, ours.modules.get(module)!.b.data], [a.data, b.data]);
      const written = JSON.parse(readFileSync(join(dir, "adapter_config.json"), "utf8")) as Record<string, unknown>;
      const stored = json<Record<string, unknown>>(name, "adapter_config.json");
      for (const key of Object.keys(written).filter(
        (key) => !["base_model_name_or_path", "target_modules"].includes(key),
      ))
        assert.deepEqual(written[key], stored[key], key);
      const loaded = loadModel(dir);
      assert.equal(loaded.digest, model.digest);
      loaded.dispose();
    });
  });
}

/** The merged weights of a case under the names of its files. */
function readStored(name: string): Map<string, Pick<HostTensor, "data">> {
  const { parameters } = readModel(directory(name));
  const joined = (prefix: string, parts: string[]) => ({
    get data() {
      return Float32Array.from(parts.flatMap((part) => [...parameters.get(`${prefix}${part}`)!.data]));
    },
  });
  const fused = (prefix: string): [string, Pick<HostTensor, "data">][] => [
    [
      `${prefix}self_attn.qkv_proj.weight`,
      joined(
        prefix,
        ["q", "k", "v"].map((part) => `self_attn.${part}_proj.weight`),
      ),
    ],
    [
      `${prefix}mlp.gate_up_proj.weight`,
      joined(
        prefix,
        ["gate", "up"].map((part) => `mlp.${part}_proj.weight`),
      ),
    ],
  ];
  return new Map<string, Pick<HostTensor, "data">>([...parameters, ...fused("model.layers.1.")]);
}

test("no gradient of the base is computed", () => {
  withAdapter("plain-after", (model) => {
    const called: string[] = [];
    const { rmsNormGradient, sumRows } = operations;
    operations.rmsNormGradient = (...all) => (called.push("rmsNormGradient"), rmsNormGradient(...all));
    operations.sumRows = (...all) => (called.push("sumRows"), sumRows(...all));
    const { matMul } = operations;
    const shapes: string[] = [];
    operations.matMul = (a, b, transposeA, ...others) => {
      const product = matMul(a, b, transposeA, ...others);
      if (transposeA) shapes.push(product.shape.join());
      return product;
    };
    try {
      const [example] = encoded(reference("plain-after"));
      const coefficients = [new Float32Array(example.ids.length - 1).fill(1)];
      const { gradients } = microBatchLoss(model, [example], coefficients, true);
      assert.deepEqual([...gradients!.keys()].sort(), [...model.trainable.keys()].sort());
      tf.dispose([...gradients!.values()]);
    } finally {
      Object.assign(operations, { rmsNormGradient, sumRows, matMul });
    }
    assert.deepEqual(called, []);
    // A product with a transposed first matrix is the gradient of a weight.
    const expected = [...model.trainable.values()].map(({ shape }) => shape.join());
    assert.deepEqual(shapes.sort(), expected.sort());
  });
});

test("the gradient of a norm's input alone is that of both", () => {
  const x = tf.randomNormal([300, 24], 0, 1, "float32", 1);
  const [dy, weight] = [tf.randomNormal([300, 24], 0, 1, "float32", 2), tf.randomNormal([24], 0, 1, "float32", 3)];
  for (const kind of [operations, composed]) {
    const { scale } = kind.rmsNorm(x, weight, tf.scalar(1e-5));
    const both = kind.rmsNormGradient(dy, x, weight, scale).dx.dataSync();
    assert.deepEqual(kind.rmsNormInputGradient(dy, x, weight, scale).dataSync(), both);
  }
});

test("initial values are those of PEFT's distribution, and depend on the seed and the module only", () => {
  const { config } = readModel(join(FIXTURES, "families", "llama"));
  const settings: AdapterSettings = { rank: 8, alpha: 8, targets: "all-linear", dropout: 0, rsLora: false };
  const values = initialAdapter(config, settings, 1);
  for (const [tensor, { shape, data }] of values) {
    if (tensor.endsWith("lora_B.weight")) assert.ok(data.every((x) => x === 0));
    else {
      const bound = 1 / Math.sqrt(shape[1]);
      assert.ok(data.every((x) => Math.abs(x) <= bound));
      const deviation = norm(flat(data)) / Math.sqrt(data.length);
      assert.ok(Math.abs(deviation / (bound / Math.sqrt(3)) - 1) < 0.15, `${tensor}: ${deviation}`); // worst seen: 0.09
    }
  }
  const { a } = adapterNames("model.layers.0.self_attn.v_proj");
  const some = initialAdapter(config, { ...settings, targets: ["v_proj"] }, 1);
  assert.deepEqual(some.get(a)!.data, values.get(a)!.data);
  assert.notDeepEqual(initialAdapter(config, settings, 2).get(a)!.data, values.get(a)!.data);
  assert.throws(
    () => adapterModules(config, ["qkv_proj"]),
    /family llama has no qkv_proj; its targets are q_proj, k_proj/,
  );
  const phi = readModel(join(FIXTURES, "families", "phi3")).config;
  assert.throws(() => adapterModules(phi, ["q_proj"]), /family phi3 has no q_proj; its targets are qkv_proj/);
});

test("masks of dropout keep their share, and depend on the sequence and the module only", () => {
  tf.tidy(() => {
    const sequences = [
      { seed: ["x", 1], length: 200 },
      { seed: ["x", 2], length: 100 },
    ];
    const masks = dropoutMasks(0.25, sequences, 301);
    const all = masks("q", 64).dataSync();
    assert.ok(all.every((x) => x === 0 || x === Math.fround(1 / 0.75)));
    const kept = all.filter((x) => x > 0).length / (300 * 64);
    assert.ok(Math.abs(kept - 0.75) < 0.0125, `${kept} kept`); // four standard deviations
    assert.ok(all.slice(300 * 64).every((x) => x === 0)); // padding
    assert.deepEqual(masks("q", 64).dataSync(), all);
    assert.deepEqual(dropoutMasks(0.25, [sequences[1]], 100)("q", 64).dataSync(), all.slice(200 * 64, 300 * 64));
    assert.notDeepEqual(masks("k", 64).dataSync(), all);
  });
});

const python = process.env.PROMPTLOSS_PYTHON;
const probe = python && spawnSync(python, ["-c", "import peft"]).status === 0;
test(
  "PEFT loads what is written, with the same tensors and logits",
  { skip: probe ? false : "needs PROMPTLOSS_PYTHON, the path of a Python with torch, transformers and peft" },
  () => {
    const requests = CASES.map((name) => {
      const adapter = join(scratch, `${name}-for-peft`);
      const base = adapterBase(directory(name));
      withAdapter(name, (model) => model.saveAdapter(adapter, { path: base, digest: directoryDigest(base) }));
      return { base, adapter, rows: reference(name).rows.map(({ ids }) => ids) };
    });
    const { status, stdout, stderr } = spawnSync(python!, [join(FIXTURES, "check_adapter.py")], {
      input: JSON.stringify(requests),
      encoding: "utf8",
      maxBuffer: 2 ** 28,
      env: { ...process.env, PYTHONDONTWRITEBYTECODE: "1", HF_HUB_OFFLINE: "1" },
    });
    assert.equal(status, 0, stderr);
    const results = JSON.parse(stdout) as { missing: string[]; unexpected: string[]; equal: boolean; logits: number[][] }[]; // prettier-ignore
    const worst = new Worst("logit of PEFT from the files written, absolute");
    results.forEach(({ logits, ...found }, i) => {
      assert.deepEqual(found, { missing: [], unexpected: [], equal: true }, CASES[i]);
      const expected = reference(CASES[i]).mergedLogits;
      logits.forEach((row, r) =>
        row.forEach((x, j) => worst.see(Math.abs(x - expected[r][j]), `${CASES[i]}, row ${r}`)),
      );
    });
    worst.atMost(1e-4);
  },
);

test("an adapter whose base is not there is refused by name", () => {
  const alone = join(scratch, "alone");
  cpSync(directory("plain-tied-qv"), alone, { recursive: true });
  assert.throws(() => loadModel(alone), /the base model "\.\.\/\.\.\/families\/llama" is no directory here/);
});
