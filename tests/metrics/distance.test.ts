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
const start = new Map([
  ["model.embed_tokens.weight", tensor([2, 2], 1, 2, 3, 4)],
  ["model.layers.0.self_attn.q_proj.weight", tensor([2], 1, 1)],
  ["model.layers.1.self_attn.q_proj.weight", tensor([2], 1, 1)],
  ["model.norm.weight", tensor([2], 1, 1)],
]);

function saved(name: string, tensors: Map<string, HostTensor>): string {
  const path = join(dir, name);
  mkdirSync(path, { recursive: true });
  writeSafetensors(join(path, "model.safetensors"), tensors);
  return path;
}
const changed = (...entries: [string, HostTensor][]): Map<string, HostTensor> => new Map([...start, ...entries]);

test("by hand: differences 3 and 4 in two tensors, 12 in a third, give 5, 12 and 13", () => {
  const a = saved("a", start);
  const b = saved(
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

test("a loaded model and a directory compare alike", () => {
  const a = saved("a", start);
  const held = (tensors: Map<string, HostTensor>) => ({
    parameters: new Map([...tensors].map(([name, { shape, data }]) => [name, { shape, dataSync: () => data }])),
  });
  const moved = changed(["model.norm.weight", tensor([2], 4, 5)]);
  assert.equal(weightDistance(held(moved), a).distance, 5);
  assert.equal(weightDistance(held(start), held(moved)).distance, 5);
});

test("sums are float64: a million differences of 1e-4 next to one of 1000", () => {
  const many = new Float32Array(1_000_001).fill(1e-4);
  many[0] = 1000;
  const zero = saved("zero", new Map([["x.weight", { shape: [many.length], data: new Float32Array(many.length) }]]));
  const moved = saved("moved", new Map([["x.weight", { shape: [many.length], data: many }]]));
  const expected = Math.sqrt(1e6 + 1e6 * Math.fround(1e-4) ** 2); // in float32 the small ones would vanish
  const { distance } = weightDistance(zero, moved);
  assert.ok(Math.abs(distance - expected) < 1e-9, `${distance}, expected ${expected}`); // worst residual seen 2.9e-11
});

test("a sharded checkpoint equals its single file; tied heads and rotary buffers are no weights", () => {
  const a = saved("a", start);
  const sharded = join(dir, "sharded");
  mkdirSync(sharded, { recursive: true });
  const names = [...start.keys()];
  const part = (from: number, to: number): Map<string, HostTensor> =>
    new Map(names.slice(from, to).map((name) => [name, start.get(name)!]));
  writeSafetensors(join(sharded, "one.safetensors"), part(0, 2));
  writeSafetensors(
    join(sharded, "two.safetensors"),
    new Map([
      ...part(2, 4),
      ["lm_head.weight", tensor([2, 2], 9, 9, 9, 9)],
      ["model.layers.0.self_attn.rotary_emb.inv_freq", tensor([1], 7)],
    ]),
  );
  writeFileSync(join(sharded, "config.json"), JSON.stringify({ tie_word_embeddings: true }));
  const map = Object.fromEntries(names.map((name, i) => [name, i < 2 ? "one.safetensors" : "two.safetensors"]));
  writeFileSync(join(sharded, "model.safetensors.index.json"), JSON.stringify({ weight_map: map }));
  assert.equal(weightDistance(a, sharded).distance, 0);
});

test("models that do not match are refused, tensor by tensor", () => {
  const a = saved("a", start);
  const other = changed(["model.norm.weight", tensor([3], 1, 1, 1)], ["lm_head.weight", tensor([1], 1)]);
  other.delete("model.embed_tokens.weight");
  const b = saved("other", other);
  assert.throws(
    () => weightDistance(a, b),
    (error: Error) => {
      assert.match(error.message, /model\.embed_tokens\.weight is only in .*\/a/);
      assert.match(error.message, /model\.norm\.weight is \[2\] in .*\/a, \[3\] in .*\/other/);
      assert.match(error.message, /lm_head\.weight is only in .*\/other/);
      return true;
    },
  );
  assert.throws(() => weightDistance(a, join(dir, "absent")), /absent: is no directory/);
});

test("a real checkpoint", needsShared("models", "stories260K"), () => {
  const real = join(SHARED, "models", "stories260K");
  const copy = join(dir, "copy");
  cpSync(real, copy, { recursive: true });
  assert.equal(weightDistance(real, copy).distance, 0);
});
