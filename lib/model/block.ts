// One decoder layer: norm → attention → add → norm → SwiGLU → add, forward and backward.
import type { ModelConfig } from "./config";
import type { AttentionLayout, PackedLayout } from "./layout";
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

/** Queries, keys and values of each group of sequences. */
function projectHeads(normed: Tensor, weights: BlockWeights, { config, layout, query, key, turn }: BlockContext): { q: Tensor; k: Tensor; v: Tensor }[] {
  const q = layout.splitQueries(rotate(linear(normed, weights.q), query, turn), config.heads);
  const k = layout.splitKeys(rotate(linear(normed, weights.k), key, turn), config.keyValueHeads);
  const v = layout.splitKeys(linear(normed, weights.v), config.keyValueHeads);
  return q.map((queries, g) => ({ q: grouped(queries, config), k: k[g], v: v[g] }));
}

/** Forward pass without a gradient of a single group: x (B·T, H) → y (B·T, H), and the keys and values up to here. */
export function inferBlock(x: Tensor, weights: BlockWeights, context: BlockContext, past?: KeyValueCache): { y: Tensor; cache: KeyValueCache } {
  const { config, layout } = context;
  const [y, k, v] = tf.tidy(() => {
    const [heads] = projectHeads(rmsNorm(x, weights.inputNorm, context.epsilon).y, weights, context);
    const keys = past ? kernel.concat([past.k, heads.k], 2) : heads.k;
    const values = past ? kernel.concat([past.v, heads.v], 2) : heads.v;
    const attended = layout.joinQueries([ungrouped(attention(heads.q, keys, values, layout.masks[0]).y, config)], config.heads);
    const middle = kernel.add(x, linear(attended, weights.o));
    const normed = rmsNorm(middle, weights.attentionNorm, context.epsilon).y;
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
export function forwardBlock(x: Tensor, weights: BlockWeights, context: BlockContext): { y: Tensor; saved: Saved } {
  const { config, layout } = context;
  return tf.tidy(() => {
    const { y: inputNormed, scale: inputScale } = rmsNorm(x, weights.inputNorm, context.epsilon);
    const groups = projectHeads(inputNormed, weights, context).map(({ q, k, v }, g) => {
      const { y: attended, probabilities } = attention(q, k, v, layout.masks[g]);
      return { q, k, v, probabilities, attended };
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
