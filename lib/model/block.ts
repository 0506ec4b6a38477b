// One decoder layer: norm → attention → add → norm → SwiGLU → add, forward and backward.
import type { ModelConfig } from "./config";
import type { AttentionLayout, DenseLayout, PackedLayout } from "./layout";
import { attention, attentionGradient, linear, linearGradient, rmsNorm, rmsNormGradient, swiglu, swigluGradient } from "./operations";
import { rotate, rotateGradient, type Rotation } from "./rotary";
import { kernel, tf, type Tensor } from "./tensorflow";

/** A layer's weights by their role. */
export type BlockWeights = Record<"inputNorm" | "q" | "k" | "v" | "o" | "attentionNorm" | "gate" | "up" | "down", Tensor>;

/** Hugging Face's name of each role, after "model.layers.<n>.". */
export const BLOCK_WEIGHT_NAMES: Record<keyof BlockWeights, string> = {
  inputNorm: "input_layernorm.weight",
  q: "self_attn.q_proj.weight", k: "self_attn.k_proj.weight", v: "self_attn.v_proj.weight", o: "self_attn.o_proj.weight",
  attentionNorm: "post_attention_layernorm.weight",
  gate: "mlp.gate_proj.weight", up: "mlp.up_proj.weight", down: "mlp.down_proj.weight",
};

/** What every layer of a forward pass shares. */
export interface BlockContext<Layout extends AttentionLayout = AttentionLayout> {
  config: ModelConfig;
  layout: Layout;
  epsilon: Tensor;
  turn: Tensor;
  query: Rotation;
  key: Rotation;
}

/** Keys and values of the positions before those of this pass, both (B, K, S, D). */
export type KeyValueCache = { k: Tensor; v: Tensor };

/** Query heads (B, heads, T, D) that share a key-value head lie one below the other: (B, K, G·T, D). */
function grouped(x: Tensor, { heads, keyValueHeads }: ModelConfig): Tensor {
  const [batch, , length, headSize] = x.shape as number[];
  return kernel.reshape(x, [batch, keyValueHeads, (heads / keyValueHeads) * length, headSize]);
}

/** The inverse of `grouped`. */
function ungrouped(x: Tensor, { heads, keyValueHeads }: ModelConfig): Tensor {
  const [batch, , length, headSize] = x.shape as number[];
  return kernel.reshape(x, [batch, heads, (length * keyValueHeads) / heads, headSize]);
}

/**
 * Forward pass without a gradient: x (B·T, H) → y (B·T, H), and the keys and values up to here. With `last`, the context
 * of the last positions alone, only they come out.
 */
export function inferBlock(x: Tensor, weights: BlockWeights, context: BlockContext<DenseLayout>, past?: KeyValueCache, last = context): { y: Tensor; cache: KeyValueCache } {
  const { config, layout, epsilon, turn } = context;
  const [y, k, v] = tf.tidy(() => {
    const all = rmsNorm(x, weights.inputNorm, epsilon).y;
    const ownKeys = layout.toHeads(rotate(linear(all, weights.k), context.key, turn), config.keyValueHeads);
    const ownValues = layout.toHeads(linear(all, weights.v), config.keyValueHeads);
    const keys = past ? kernel.concat([past.k, ownKeys], 2) : ownKeys;
    const values = past ? kernel.concat([past.v, ownValues], 2) : ownValues;

    const wanted = (rows: Tensor) => last === context ? rows : layout.lastRows(rows, last.layout.length);
    const queries = last.layout.splitQueries(rotate(linear(wanted(all), weights.q), last.query, turn), config.heads);
    const [groupKeys, groupValues] = [last.layout.splitKeys(keys), last.layout.splitKeys(values)];
    const attended = last.layout.joinQueries(queries.map((heads, g) => (
      tf.tidy(() => ungrouped(attention(grouped(heads, config), groupKeys[g], groupValues[g], last.layout.masks[g]).y, config))
    )), config.heads);
    const middle = kernel.add(wanted(x), linear(attended, weights.o));
    const normed = rmsNorm(middle, weights.attentionNorm, epsilon).y;
    const activated = swiglu(linear(normed, weights.gate), linear(normed, weights.up)).y;
    return [kernel.add(middle, linear(activated, weights.down)), keys, values];
  });
  return { y, cache: { k, v } };
}

/** What `backwardBlock` needs of its forward pass. */
interface Saved {
  rows: Record<"x" | "inputScale" | "inputNormed" | "attendedRows" | "middle" | "middleScale" | "middleNormed" | "gate" | "up" | "sigmoid" | "activated", Tensor>;
  groups: Record<"q" | "k" | "v" | "probabilities" | "attended", Tensor>[];
}

/** Forward pass for training: x (N, H) → y (N, H). */
export function forwardBlock(x: Tensor, weights: BlockWeights, context: BlockContext<PackedLayout>): { y: Tensor; saved: Saved } {
  const { config, layout } = context;
  return tf.tidy(() => {
    const { y: inputNormed, scale: inputScale } = rmsNorm(x, weights.inputNorm, context.epsilon);
    const rotated = (weight: Tensor, rotation: Rotation) => rotate(linear(inputNormed, weight), rotation, context.turn);
    const keys = layout.splitKeys(rotated(weights.k, context.key), config.keyValueHeads);
    const values = layout.splitKeys(linear(inputNormed, weights.v), config.keyValueHeads);
    const groups = layout.splitQueries(rotated(weights.q, context.query), config.heads).map((heads, g) => {
      const queries = grouped(heads, config);
      const { y: attended, probabilities } = attention(queries, keys[g], values[g], layout.masks[g]);
      return { q: queries, k: keys[g], v: values[g], probabilities, attended };
    });
    const attendedRows = layout.joinQueries(groups.map(({ attended }) => ungrouped(attended, config)), config.heads);
    const middle = kernel.add(x, linear(attendedRows, weights.o));
    const { y: middleNormed, scale: middleScale } = rmsNorm(middle, weights.attentionNorm, context.epsilon);
    const gate = linear(middleNormed, weights.gate);
    const up = linear(middleNormed, weights.up);
    const { y: activated, sigmoid } = swiglu(gate, up);
    const y = kernel.add(middle, linear(activated, weights.down));
    return { y, saved: { rows: { x, inputScale, inputNormed, attendedRows, middle, middleScale, middleNormed, gate, up, sigmoid, activated }, groups } };
  });
}

/** Gradients of a layer's weights, and dx (N, H), from dy (N, H). Disposes what was saved, x included. */
export function backwardBlock(dy: Tensor, weights: BlockWeights, { rows, groups }: Saved, context: BlockContext<PackedLayout>): { dx: Tensor; gradients: BlockWeights } {
  const { config, layout, query, key, turn } = context;
  const result = tf.tidy(() => {
    const down = linearGradient(dy, rows.activated, weights.down);
    const { dGate, dUp } = swigluGradient(down.dx, rows.gate, rows.up, rows.sigmoid);
    const gate = linearGradient(dGate, rows.middleNormed, weights.gate);
    const up = linearGradient(dUp, rows.middleNormed, weights.up);
    const middleNorm = rmsNormGradient(kernel.add(gate.dx, up.dx), rows.middle, weights.attentionNorm, rows.middleScale);
    const dMiddle = kernel.add(dy, middleNorm.dx);

    const o = linearGradient(dMiddle, rows.attendedRows, weights.o);
    const heads = layout.splitQueries(o.dx, config.heads).map((dAttended, g) => {
      const { q, k, v, attended, probabilities } = groups[g];
      return attentionGradient(grouped(dAttended, config), q, k, v, attended, probabilities);
    });
    const dq = layout.joinQueries(heads.map((group) => ungrouped(group.dq, config)), config.heads);
    const dk = layout.sumKeys(heads.map((group) => group.dk), config.keyValueHeads);
    const dv = layout.sumKeys(heads.map((group) => group.dv), config.keyValueHeads);
    const q = linearGradient(rotateGradient(dq, query, turn), rows.inputNormed, weights.q);
    const k = linearGradient(rotateGradient(dk, key, turn), rows.inputNormed, weights.k);
    const v = linearGradient(dv, rows.inputNormed, weights.v);
    const inputNorm = rmsNormGradient(kernel.add(kernel.add(q.dx, k.dx), v.dx), rows.x, weights.inputNorm, rows.inputScale);
    return {
      dx: kernel.add(dMiddle, inputNorm.dx),
      gradients: {
        inputNorm: inputNorm.dWeight, q: q.dWeight, k: k.dWeight, v: v.dWeight, o: o.dWeight,
        attentionNorm: middleNorm.dWeight, gate: gate.dWeight, up: up.dWeight, down: down.dWeight,
      },
    };
  });
  tf.dispose([...Object.values(rows), ...groups.flatMap((group) => Object.values(group))]);
  return result;
}
