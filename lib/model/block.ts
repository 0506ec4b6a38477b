// One decoder layer: norm → attention → add → norm → SwiGLU → add, forward and backward.
import { FEW_ROWS } from "./fused";
import { CachedLayout, lastRows, type InferenceLayout, type KeyValueCache, type PackedLayout } from "./layout";
import { addTo, linear, linearGradient, operations } from "./operations";
import { tf, type Tensor } from "./tensorflow";
import type { BlockWeights, BlockContext } from "./block-context";

/**
 * Forward pass without a gradient: x (B·T, H), whose memory it may use, → y (B·T, H), and the keys and values up to here. With
 * `last`, the context of the last positions alone, only they come out.
 */
export function inferBlock(
  x: Tensor,
  weights: BlockWeights,
  context: BlockContext<InferenceLayout>,
  past?: KeyValueCache,
  last = context,
): { y: Tensor; cache: KeyValueCache } {
  const { layout, epsilon } = context;
  if (past && layout.length === 1 && layout instanceof CachedLayout && layout.batch <= FEW_ROWS)
    return layout.decode(x, weights, context, past);
  return tf.tidy(() => {
    const all = operations.rmsNorm(x, weights.inputNorm, epsilon).y;
    const wanted = (rows: Tensor) => (last === context ? rows : lastRows(rows, layout, last.layout.length));
    const { y: attended, cache } = last.layout.attend(
      operations.rotate(linear(wanted(all), weights.q), last.query),
      operations.rotate(linear(all, weights.k), context.key),
      linear(all, weights.v),
      past,
    );
    const middle = linear(attended, weights.o, wanted(x));
    const normed = operations.rmsNorm(middle, weights.attentionNorm, epsilon).y;
    const activated = operations.swiglu(linear(normed, weights.gate), linear(normed, weights.up));
    return { y: linear(activated, weights.down, middle), cache };
  }) as { y: Tensor; cache: KeyValueCache };
}

/** What `backwardBlock` needs of its forward pass. */
interface Saved {
  rows: Record<
    | "x"
    | "inputScale"
    | "inputNormed"
    | "attendedRows"
    | "middle"
    | "middleScale"
    | "middleNormed"
    | "gate"
    | "up"
    | "activated",
    Tensor
  >;
  attention: Tensor[];
}

/** Forward pass for training: x (N, H) → y (N, H). */
export function forwardBlock(
  x: Tensor,
  weights: BlockWeights,
  context: BlockContext<PackedLayout>,
): { y: Tensor; saved: Saved } {
  const { layout, epsilon } = context;
  return tf.tidy(() => {
    const { y: inputNormed, scale: inputScale } = operations.rmsNorm(x, weights.inputNorm, epsilon);
    const { y: attendedRows, saved: attention } = layout.attend(
      operations.rotate(linear(inputNormed, weights.q), context.query),
      operations.rotate(linear(inputNormed, weights.k), context.key),
      linear(inputNormed, weights.v),
    );
    const middle = addTo(linear(attendedRows, weights.o), x);
    const { y: middleNormed, scale: middleScale } = operations.rmsNorm(middle, weights.attentionNorm, epsilon);
    const gate = linear(middleNormed, weights.gate);
    const up = linear(middleNormed, weights.up);
    const activated = operations.swiglu(gate, up);
    const y = addTo(linear(activated, weights.down), middle);
    return {
      y,
      saved: {
        rows: { x, inputScale, inputNormed, attendedRows, middle, middleScale, middleNormed, gate, up, activated },
        attention,
      },
    };
  });
}

/** Gradients of a layer's weights, and dx (N, H), from dy (N, H). Disposes what was saved, x included. */
export function backwardBlock(
  dy: Tensor,
  weights: BlockWeights,
  { rows, attention }: Saved,
  context: BlockContext<PackedLayout>,
): { dx: Tensor; gradients: BlockWeights } {
  const { layout, query, key } = context;
  const result = tf.tidy(() => {
    const down = linearGradient(dy, rows.activated, weights.down);
    const { dGate, dUp } = operations.swigluGradient(down.dx, rows.gate, rows.up);
    const gate = linearGradient(dGate, rows.middleNormed, weights.gate);
    const up = linearGradient(dUp, rows.middleNormed, weights.up, gate.dx);
    const middleNorm = operations.rmsNormGradient(up.dx, rows.middle, weights.attentionNorm, rows.middleScale);
    const dMiddle = addTo(middleNorm.dx, dy);

    const o = linearGradient(dMiddle, rows.attendedRows, weights.o);
    const { dq, dk, dv } = layout.attendGradient(o.dx, rows.attendedRows, attention);
    const q = linearGradient(operations.rotate(dq, query, true), rows.inputNormed, weights.q);
    const k = linearGradient(operations.rotate(dk, key, true), rows.inputNormed, weights.k, q.dx);
    const v = linearGradient(dv, rows.inputNormed, weights.v, k.dx);
    const inputNorm = operations.rmsNormGradient(v.dx, rows.x, weights.inputNorm, rows.inputScale);
    return {
      dx: addTo(inputNorm.dx, dMiddle),
      gradients: {
        inputNorm: inputNorm.dWeight,
        q: q.dWeight,
        k: k.dWeight,
        v: v.dWeight,
        o: o.dWeight,
        attentionNorm: middleNorm.dWeight,
        gate: gate.dWeight,
        up: up.dWeight,
        down: down.dWeight,
      },
    };
  });
  tf.dispose([...Object.values(rows), ...attention]);
  return result;
}
