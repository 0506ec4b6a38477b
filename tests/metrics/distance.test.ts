import assert from "node:assert/strict";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { weightDistance } from "../../lib/metrics/distance";
import { writeSafetensors, type HostTensor } from "../../lib/model/safetensors";
import { SHARED, needsShared } from "../support/shared";

const dir = mkdtempSync(join(tmpdir(), "promptloss-distance-"));
after(() => rmSync(dir, { recursive: true }));

const tensor = (shape: number[], ...values: number[]): HostTensor => ({ shape, data: Float32Array.from(values) });
const initial = new Map([
  ["model.embed_tokens.weight", tensor([2, 2], 1, 2, 3, 4)],
  ["model.layers.0.self_attn.q_proj.weight", tensor([2], 1, 1)],
  ["model.layers.1.self_attn.q_proj.weight", tensor([2], 1, 1)],
  ["model.norm.weight", tensor([2], 1, 1)],
]);

/** Saves a checkpoint with these tensors; returns its directory. */
function saveCheckpoint(name: string, tensors: Map<string, HostTensor>): string {
  const path = join(dir, name);
  mkdirSync(path, { recursive: true });
  writeSafetensors(join(path, "model.safetensors"), tensors);
  return path;
}
/** Returns the initial tensors with some replaced or added. */
const changed = (...entries: [string, HostTensor][]): Map<string, HostTensor> => new Map([...initial, ...entries]);

test("by hand: differences of 3, 4 and 12 in three tensors give a distance of 13", () => {
  const a = saveCheckpoint("a", initial);
  const b = saveCheckpoint(
    "b",
    changed(
      ["model.embed_tokens.weight", tensor([2, 2], 1, 2, 3, 16)],
      ["model.layers.0.self_attn.q_proj.weight", tensor([2], 4, 1)],
      ["model.layers.1.self_attn.q_proj.weight", tensor([2], 1, -3)],
    ),
  );
  const result = weightDistance(a, b);
  assert.equal(result.distance, 13);
  assert.deepEqual(result.perTensor, {
    "model.embed_tokens.weight": 12,
    "model.layers.0.self_attn.q_proj.weight": 3,
    "model.layers.1.self_attn.q_proj.weight": 4,
    "model.norm.weight": 0,
  });
  assert.deepEqual(result.perLayer, { embedding: 12, "layer 0": 3, "layer 1": 4, "final norm": 0 });
  assert.deepEqual(result.perKind, { embed_tokens: 12, q_proj: 5, "final norm": 0 });
  assert.deepEqual(weightDistance(b, a), result);
  assert.equal(weightDistance(a, a).distance, 0);
});

test("a loaded model gives the same distance as its directory", () => {
  const a = saveCheckpoint("a", initial);
  const loadedModel = (tensors: Map<string, HostTensor>) => ({
    parameterValues: () => tensors,
  });
  const moved = changed(["model.norm.weight", tensor([2], 4, 5)]);
  assert.equal(weightDistance(loadedModel(moved), a).distance, 5);
  assert.equal(weightDistance(loadedModel(initial), loadedModel(moved)).distance, 5);
});

test("sums are float64: one difference of 1000 and a million of 1e-4", () => {
  const values = new Float32Array(1_000_001).fill(1e-4);
  values[0] = 1000;
  const zero = saveCheckpoint(
    "zero",
    new Map([["x.weight", { shape: [values.length], data: new Float32Array(values.length) }]]),
  );
  const moved = saveCheckpoint("moved", new Map([["x.weight", { shape: [values.length], data: values }]]));
  const expected = Math.sqrt(1e6 + 1e6 * Math.fround(1e-4) ** 2); // in float32 the small differences would be lost
  const { distance } = weightDistance(zero, moved);
  // largest residual observed: 2.9e-11
  assert.ok(Math.abs(distance - expected) < 1e-9, `${distance}, expected ${expected}`);
});

test("a sharded checkpoint equals the single file; tied heads and rotary buffers are ignored", () => {
  const a = saveCheckpoint("a", initial);
  const sharded = join(dir, "sharded");
  mkdirSync(sharded, { recursive: true });
  const names = [...initial.keys()];
  const tensorsBetween = (from: number, to: number): Map<string, HostTensor> =>
    new Map(names.slice(from, to).map((name) => [name, initial.get(name)!]));
  writeSafetensors(join(sharded, "one.safetensors"), tensorsBetween(0, 2));
  writeSafetensors(
    join(sharded, "two.safetensors"),
    new Map([
      ...tensorsBetween(2, 4),
      ["lm_head.weight", initial.get("model.embed_tokens.weight")!],
      ["model.layers.0.self_attn.rotary_emb.inv_freq", tensor([1], 7)],
    ]),
  );
  writeFileSync(join(sharded, "config.json"), JSON.stringify({ tie_word_embeddings: true }));
  const map = Object.fromEntries(names.map((name, i) => [name, i < 2 ? "one.safetensors" : "two.safetensors"]));
  writeFileSync(join(sharded, "model.safetensors.index.json"), JSON.stringify({ weight_map: map }));
  assert.equal(weightDistance(a, sharded).distance, 0);
});

test("models that differ in tensors are rejected with the names of the tensors", () => {
  const a = saveCheckpoint("a", initial);
  const other = changed(["model.norm.weight", tensor([3], 1, 1, 1)], ["lm_head.weight", tensor([1], 1)]);
  other.delete("model.embed_tokens.weight");
  const b = saveCheckpoint("other", other);
  assert.throws(
    () => weightDistance(a, b),
    (error: Error) => {
      assert.match(error.message, /model\.embed_tokens\.weight is only in .*\/a/);
      assert.match(error.message, /model\.norm\.weight is \[2\] in .*\/a, \[3\] in .*\/other/);
      assert.match(error.message, /lm_head\.weight is only in .*\/other/);
      return true;
    },
  );
  assert.throws(() => weightDistance(a, join(dir, "absent")), /absent: not a directory/);
});

test("a real checkpoint has distance 0 to its copy", needsShared("models", "stories260K"), () => {
  const real = join(SHARED, "models", "stories260K");
  const copy = join(dir, "copy");
  cpSync(real, copy, { recursive: true });
  assert.equal(weightDistance(real, copy).distance, 0);
});
