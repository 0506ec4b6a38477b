// One decoder layer: norm → attention → add → norm → SwiGLU → add, forward and backward.
import type { ModelConfig } from "./config";
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

/** What every layer of a forward pass shares. Query tables carry the factor 1/√D. */
export interface BlockContext {
  config: ModelConfig;
  batch: number;
  length: number;
  epsilon: Tensor;
  turn: Tensor;
  query: Rotation;
  key: Rotation;
  mask: Tensor;
}

/** Keys and values of the positions before those of this pass, both (B, K, S, D). */
export type KeyValueCache = { k: Tensor; v: Tensor };

/** Splits rows (B·T, heads·D) into heads (B, heads, T, D). */
function toHeads(x: Tensor, heads: number, { batch, length, config }: BlockContext): Tensor {
  return kernel.transpose(kernel.reshape(x, [batch, length, heads, config.headSize]), [0, 2, 1, 3]);
}

/** The inverse of `toHeads`. */
function fromHeads(x: Tensor, heads: number, { batch, length, config }: BlockContext): Tensor {
  return kernel.reshape(kernel.transpose(kernel.reshape(x, [batch, heads, length, config.headSize]), [0, 2, 1, 3]), [batch * length, heads * config.headSize]);
}

/** Query heads that share a key-value head lie one below the other: (B, K, G·T, D). */
function grouped(x: Tensor, { batch, length, config }: BlockContext): Tensor {
  return kernel.reshape(x, [batch, config.keyValueHeads, (config.heads / config.keyValueHeads) * length, config.headSize]);
}

function projectHeads(normed: Tensor, weights: BlockWeights, context: BlockContext): { q: Tensor; k: Tensor; v: Tensor } {
  const { config, query, key, turn } = context;
  return {
    q: grouped(rotate(toHeads(linear(normed, weights.q), config.heads, context), query, turn), context),
    k: rotate(toHeads(linear(normed, weights.k), config.keyValueHeads, context), key, turn),
    v: toHeads(linear(normed, weights.v), config.keyValueHeads, context),
  };
}

/** Forward pass without a gradient: x (B·T, H) → y (B·T, H), and the keys and values up to here. */
export function inferBlock(x: Tensor, weights: BlockWeights, context: BlockContext, past?: KeyValueCache): { y: Tensor; cache: KeyValueCache } {
  const [y, k, v] = tf.tidy(() => {
    const heads = projectHeads(rmsNorm(x, weights.inputNorm, context.epsilon).y, weights, context);
    const keys = past ? kernel.concat([past.k, heads.k], 2) : heads.k;
    const values = past ? kernel.concat([past.v, heads.v], 2) : heads.v;
    const attended = fromHeads(attention(heads.q, keys, values, context.mask).y, context.config.heads, context);
    const middle = kernel.add(x, linear(attended, weights.o));
    const normed = rmsNorm(middle, weights.attentionNorm, context.epsilon).y;
    const activated = swiglu(linear(normed, weights.gate), linear(normed, weights.up)).y;
    return [kernel.add(middle, linear(activated, weights.down)), keys, values];
  });
  return { y, cache: { k, v } };
}

/** What `backwardBlock` needs of its forward pass. */
type Saved = Record<"x" | "inputScale" | "inputNormed" | "q" | "k" | "v" | "probabilities" | "attended" | "attendedRows" | "middle"
  | "middleScale" | "middleNormed" | "gate" | "up" | "sigmoid" | "activated", Tensor>;

/** Forward pass for training: x (B·T, H) → y (B·T, H). */
export function forwardBlock(x: Tensor, weights: BlockWeights, context: BlockContext): { y: Tensor; saved: Saved } {
  return tf.tidy(() => {
    const { y: inputNormed, scale: inputScale } = rmsNorm(x, weights.inputNorm, context.epsilon);
    const { q, k, v } = projectHeads(inputNormed, weights, context);
    const { y: attended, probabilities } = attention(q, k, v, context.mask);
    const attendedRows = fromHeads(attended, context.config.heads, context);
    const middle = kernel.add(x, linear(attendedRows, weights.o));
    const { y: middleNormed, scale: middleScale } = rmsNorm(middle, weights.attentionNorm, context.epsilon);
    const gate = linear(middleNormed, weights.gate);
    const up = linear(middleNormed, weights.up);
    const { y: activated, sigmoid } = swiglu(gate, up);
    const y = kernel.add(middle, linear(activated, weights.down));
    return {
      y,
      saved: { x, inputScale, inputNormed, q, k, v, probabilities, attended, attendedRows, middle, middleScale, middleNormed, gate, up, sigmoid, activated },
    };
  });
}

/** Gradients of a layer's weights, and dx (B·T, H), from dy (B·T, H). Disposes what was saved, x included. */
export function backwardBlock(dy: Tensor, weights: BlockWeights, saved: Saved, context: BlockContext): { dx: Tensor; gradients: BlockWeights } {
  const { config, query, key, turn } = context;
  const result = tf.tidy(() => {
    const down = linearGradient(dy, saved.activated, weights.down);
    const { dGate, dUp } = swigluGradient(down.dx, saved.gate, saved.up, saved.sigmoid);
    const gate = linearGradient(dGate, saved.middleNormed, weights.gate);
    const up = linearGradient(dUp, saved.middleNormed, weights.up);
    const middleNorm = rmsNormGradient(kernel.add(gate.dx, up.dx), saved.middle, weights.attentionNorm, saved.middleScale);
    const dMiddle = kernel.add(dy, middleNorm.dx);

    const o = linearGradient(dMiddle, saved.attendedRows, weights.o);
    const dAttended = grouped(toHeads(o.dx, config.heads, context), context);
    const { dq, dk, dv } = attentionGradient(dAttended, saved.q, saved.k, saved.v, saved.attended, saved.probabilities);
    const queryHeads = kernel.reshape(dq, [context.batch, config.heads, context.length, config.headSize]);
    const q = linearGradient(fromHeads(rotateGradient(queryHeads, query, turn), config.heads, context), saved.inputNormed, weights.q);
    const k = linearGradient(fromHeads(rotateGradient(dk, key, turn), config.keyValueHeads, context), saved.inputNormed, weights.k);
    const v = linearGradient(fromHeads(dv, config.keyValueHeads, context), saved.inputNormed, weights.v);
    const inputNorm = rmsNormGradient(kernel.add(kernel.add(q.dx, k.dx), v.dx), saved.x, weights.inputNorm, saved.inputScale);
    return {
      dx: kernel.add(dMiddle, inputNorm.dx),
      gradients: {
        inputNorm: inputNorm.dWeight, q: q.dWeight, k: k.dWeight, v: v.dWeight, o: o.dWeight,
        attentionNorm: middleNorm.dWeight, gate: gate.dWeight, up: up.dWeight, down: down.dWeight,
      },
    };
  });
  tf.dispose(saved);
  return result;
}
