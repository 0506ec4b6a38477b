// What a model directory may hold, and what Transformers 5 and the reference implementation of safetensors make of it.
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { weightDistance } from "../../lib/metrics/distance";
import { createModel, loadModel } from "../../lib/model/causal-lm";
import type { ModelConfig } from "../../lib/model/config";
import { readModel } from "../../lib/model/directory";
import { readSafetensors, readSafetensorsShapes, writeSafetensors } from "../../lib/model/safetensors";

const work = mkdtempSync(join(tmpdir(), "promptloss-directory-"));
after(() => rmSync(work, { recursive: true }));

const TIED: ModelConfig = {
  vocabularySize: 20,
  hiddenSize: 8,
  intermediateSize: 12,
  layers: 1,
  heads: 2,
  keyValueHeads: 1,
  headSize: 4,
  normEpsilon: 1e-5,
  maxPositions: 32,
  ropeBase: 10000,
  ropeScaling: null,
  tiedHead: true,
  paddingIndex: null,
};
const [EMBEDDING, HEAD] = ["model.embed_tokens.weight", "lm_head.weight"];

/** Saves a tied model and changes the tensors of its file. */
function saved(name: string, change: (tensors: ReturnType<typeof readSafetensors>) => void): string {
  const dir = join(work, name);
  const model = createModel(TIED, 1);
  model.save(dir);
  model.dispose();
  const tensors = readSafetensors(join(dir, "model.safetensors"));
  const copies = new Map([...tensors].map(([key, { shape, data }]) => [key, { shape, data: data.slice() }]));
  change(copies);
  writeSafetensors(join(dir, "model.safetensors"), copies);
  return dir;
}

const logitsOf = (dir: string) => {
  const model = loadModel(dir);
  const logits = model.logits([1, 2, 3]);
  model.dispose();
  return logits;
};

test("a tied model may store embedding, head or both; a head that differs unties it, as in Transformers 5", () => {
  const plain = saved("plain", () => {});
  const both = saved("both", (tensors) => void tensors.set(HEAD, tensors.get(EMBEDDING)!));
  const headOnly = saved("head", (tensors) => {
    tensors.set(HEAD, tensors.get(EMBEDDING)!);
    tensors.delete(EMBEDDING);
  });
  for (const dir of [both, headOnly]) {
    assert.equal(readModel(dir).config.tiedHead, true);
    assert.deepEqual(logitsOf(dir), logitsOf(plain));
    assert.equal(weightDistance(plain, dir).distance, 0);
  }

  const untied = saved("untied", (tensors) => {
    const { shape, data } = tensors.get(EMBEDDING)!;
    tensors.set(HEAD, { shape, data: data.map((value) => 2 * value) });
  });
  const { config, parameters } = readModel(untied);
  assert.equal(config.tiedHead, false);
  assert.ok(parameters.has(HEAD));
  const [doubled, once] = [logitsOf(untied), logitsOf(plain)];
  doubled.forEach((row, i) => row.forEach((value, j) => assert.equal(value, 2 * once[i][j])));
  assert.throws(() => weightDistance(plain, untied), /lm_head\.weight is only in .*untied/);
});

/** Writes a safetensors file of raw parts. */
function rawFile(name: string, header: string, dataBytes: number): string {
  mkdirSync(work, { recursive: true });
  const path = join(work, name);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(Buffer.byteLength(header)));
  writeFileSync(path, Buffer.concat([length, Buffer.from(header), Buffer.alloc(dataBytes)]));
  return path;
}
const entry = (begin: number, end: number, dtype = "F32") =>
  `{"dtype":"${dtype}","shape":[${(end - begin) / 4}],"data_offsets":[${begin},${end}]}`;

test("a file whose tensors overlap, leave a gap or do not reach its end is refused, and a name twice", () => {
  const refused = (header: string, bytes: number, message: RegExp) =>
    assert.throws(() => readSafetensorsShapes(rawFile("raw.safetensors", header, bytes)), message);
  refused(`{"a":${entry(0, 8)},"b":${entry(4, 12)}}`, 12, /"b" begins at byte 4 of the values, within the one before/);
  refused(`{"a":${entry(0, 8)},"b":${entry(12, 16)}}`, 16, /"b" begins at byte 12 .* not at the end of the one before/);
  refused(`{"a":${entry(4, 8)}}`, 8, /"a" begins at byte 4/);
  refused(`{"a":${entry(0, 8)}}`, 12, /4 bytes after the last tensor/);
  refused(`{"a":${entry(0, 8)},"a":${entry(0, 8)}}`, 8, /the header has the key "a" twice/);
  refused(`{"a":{"dtype":"I8",${entry(0, 8).slice(1)}}`, 8, /the header has the key "a\.dtype" twice/);
  refused(
    `{"__metadata__":{"format":1},"a":${entry(0, 8)}}`,
    8,
    /"__metadata__" in the header must be an object of texts/,
  );
  refused(` {"a":${entry(0, 8)}}`, 8, /the header is not a JSON object/);
  const invalid = rawFile("utf8.safetensors", `{"\u00ff":${entry(0, 8)}}`, 8);
  writeFileSync(
    invalid,
    Buffer.from(readFileSync(invalid).toString("latin1").replace("\u00c3\u00bf", "\u00ff\u00ff"), "latin1"),
  );
  assert.throws(() => readSafetensorsShapes(invalid), /the header is not UTF-8 text/);
  assert.throws(() => readSafetensorsShapes(tmpdir()), /cannot be opened, because it is not a file/);
  const fine = rawFile(
    "fine.safetensors",
    `{"b":${entry(8, 12)},"__metadata__":{},"e":${entry(8, 8)},"a":${entry(0, 8)}}  `,
    12,
  );
  assert.deepEqual(
    [...readSafetensorsShapes(fine)],
    [
      ["b", [1]],
      ["e", [0]],
      ["a", [2]],
    ],
  );
});

test("a tensor in two shards is refused", () => {
  const dir = saved("shards", () => {});
  const bytes = readFileSync(join(dir, "model.safetensors"));
  rmSync(join(dir, "model.safetensors"));
  for (const shard of ["one.safetensors", "two.safetensors"]) writeFileSync(join(dir, shard), bytes);
  const map = { a: "one.safetensors", b: "two.safetensors" };
  writeFileSync(join(dir, "model.safetensors.index.json"), JSON.stringify({ weight_map: map }));
  assert.throws(() => readModel(dir), /two\.safetensors: tensor ".*" is also in one\.safetensors/);
});

test("an index that is no map to files is refused", () => {
  const dir = saved("index", () => {});
  rmSync(join(dir, "model.safetensors"));
  for (const map of [["one.safetensors"], { a: "" }, { a: "." }, { a: "../x" }, { a: 1 }, null]) {
    writeFileSync(join(dir, "model.safetensors.index.json"), JSON.stringify({ weight_map: map }));
    assert.throws(() => readModel(dir), /"weight_map" must give|is not the name of a file in this directory/);
  }
});

test("a tied head that is neither true nor false, and a padding id that is no token, are refused", () => {
  const dir = saved("flags", () => {});
  const path = join(dir, "config.json");
  const original = JSON.parse(readFileSync(path, "utf8")) as { vocab_size: number };
  const read = (change: object) => {
    writeFileSync(path, JSON.stringify({ ...original, ...change }));
    return readModel(dir).config;
  };
  for (const value of [1, 0, "true", []])
    assert.throws(() => read({ tie_word_embeddings: value }), /tie_word_embeddings: must be true or false/);
  for (const value of [0.5, "0", [0], true])
    assert.throws(() => read({ pad_token_id: value }), /pad_token_id: must be an integer/);
  assert.throws(() => read({ pad_token_id: original.vocab_size }), /\(pad_token_id\) must be the id of a token, below/);
  assert.equal(read({ pad_token_id: -1 }).paddingIndex, null);
  assert.equal(read({ pad_token_id: original.vocab_size - 1 }).paddingIndex, original.vocab_size - 1);
});

test("sizes that no model can have are refused at once, in files and in createModel", () => {
  const dir = saved("sizes", () => {});
  const path = join(dir, "config.json");
  const original = readFileSync(path, "utf8");
  const withConfig = (change: object | string) => () => {
    const text = typeof change === "string" ? change : JSON.stringify({ ...JSON.parse(original), ...change });
    writeFileSync(path, text);
    return readModel(dir);
  };
  const started = performance.now();
  assert.throws(
    withConfig({ num_hidden_layers: 1e6 }),
    /num_hidden_layers 1000000, but the files have only 11 tensors/,
  );
  assert.throws(withConfig({ num_hidden_layers: 1e9 }), /num_hidden_layers: must be a whole number from 1 to 16777216/);
  assert.throws(withConfig({ vocab_size: 1.5 }), /vocab_size: must be a whole number/);
  assert.throws(withConfig({ head_dim: 3 }), /need an even head size \(head_dim\), got 3/);
  assert.throws(withConfig("null"), { name: "ModelError" });
  assert.throws(withConfig(original.replace(/"vocab_size": \d+/, '"vocab_size": Infinity')), { name: "ModelError" });
  assert.doesNotThrow(withConfig(`\uFEFF${original}`), "a byte order mark");
  assert.ok(performance.now() - started < 2000);
  for (const change of [{ headSize: 1 }, { headSize: 3 }, { layers: 0 }, { keyValueHeads: 3 }, { normEpsilon: NaN }])
    assert.throws(() => createModel({ ...TIED, ...change }, 1), { name: "ModelError" });
});
