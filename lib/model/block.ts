// One decoder layer: norm → attention → add → norm → SwiGLU → add, forward and backward.
// Shapes: N rows of tokens, B batch, T positions per sequence, H hidden size.
import { FEW_ROWS } from "./fused";
import { CachedLayout, lastRows, type InferenceLayout, type KeyValueCache, type PackedLayout } from "./layout";
import { addTo, linear, linearGradient, operations } from "./operations";
import { tf, type Tensor } from "./tensorflow";
import type { BlockWeights, BlockContext } from "./block-context";

/**
 * Runs one layer without a gradient.
 *
 * @param x hidden states (B·T, H); their memory may be overwritten
 * @param past keys and values of the positions before; may be overwritten, so it must not be used again
 * @param last context of the last positions of each sequence, if the layer has to return only those; default: all
 * @returns `y` (B·T, H), or (B·T', H) for the T' positions of `last`, and the cache of all positions up to the last one
 */
export function inferBlock(
  x: Tensor,
  parameters: BlockWeights,
  context: BlockContext<InferenceLayout>,
  past?: KeyValueCache,
  last = context,
): { y: Tensor; cache: KeyValueCache } {
  const { layout, epsilon } = context;
  if (past && layout.length === 1 && layout instanceof CachedLayout && layout.batch <= FEW_ROWS)
    return layout.decode(x, parameters, context, past);
  return tf.tidy(() => {
    const normed = operations.rmsNorm(x, parameters.inputNorm, epsilon).y;
    const select = (rows: Tensor) => (last === context ? rows : lastRows(rows, layout, last.layout.length));
    const { y: attended, cache } = last.layout.attend(
      operations.rotate(linear(select(normed), parameters.q), last.query),
      operations.rotate(linear(normed, parameters.k), context.key),
      linear(normed, parameters.v),
      past,
    );
    const middle = linear(attended, parameters.o, select(x));
    const middleNormed = operations.rmsNorm(middle, parameters.attentionNorm, epsilon).y;
    const activated = operations.swiglu(linear(middleNormed, parameters.gate), linear(middleNormed, parameters.up));
    return { y: linear(activated, parameters.down, middle), cache };
  }) as { y: Tensor; cache: KeyValueCache };
}

/** Results of `forwardBlock` that `backwardBlock` uses. */
interface Saved {
  /** tensors with one row per token */
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
  /** tensors that the layout's `attend` saved */
  attention: Tensor[];
}

/**
 * Runs one layer for training.
 *
 * @param x hidden states (N, H); `saved` refers to this tensor
 * @returns `y` (N, H), and the tensors for `backwardBlock`, which disposes them
 */
export function forwardBlock(
  x: Tensor,
  parameters: BlockWeights,
  context: BlockContext<PackedLayout>,
): { y: Tensor; saved: Saved } {
  const { layout, epsilon } = context;
  return tf.tidy(() => {
    const { y: inputNormed, scale: inputScale } = operations.rmsNorm(x, parameters.inputNorm, epsilon);
    const { y: attendedRows, saved: attention } = layout.attend(
      operations.rotate(linear(inputNormed, parameters.q), context.query),
      operations.rotate(linear(inputNormed, parameters.k), context.key),
      linear(inputNormed, parameters.v),
    );
    const middle = addTo(linear(attendedRows, parameters.o), x);
    const { y: middleNormed, scale: middleScale } = operations.rmsNorm(middle, parameters.attentionNorm, epsilon);
    const gate = linear(middleNormed, parameters.gate);
    const up = linear(middleNormed, parameters.up);
    const activated = operations.swiglu(gate, up);
    const y = addTo(linear(activated, parameters.down), middle);
    return {
      y,
      saved: {
        rows: { x, inputScale, inputNormed, attendedRows, middle, middleScale, middleNormed, gate, up, activated },
        attention,
      },
    };
  });
}

/**
 * Computes the gradients of one layer from the gradient of its output, and disposes the saved tensors, x included.
 *
 * @param dy gradient of the output (N, H)
 * @returns `dx` (N, H), the gradient of the input, and the gradient of each parameter
 */
export function backwardBlock(
  dy: Tensor,
  parameters: BlockWeights,
  { rows, attention }: Saved,
  context: BlockContext<PackedLayout>,
): { dx: Tensor; gradients: BlockWeights } {
  const { layout, query, key } = context;
  const result = tf.tidy(() => {
    const down = linearGradient(dy, rows.activated, parameters.down);
    const { dGate, dUp } = operations.swigluGradient(down.dx, rows.gate, rows.up);
    const gate = linearGradient(dGate, rows.middleNormed, parameters.gate);
    const up = linearGradient(dUp, rows.middleNormed, parameters.up, gate.dx);
    const middleNorm = operations.rmsNormGradient(up.dx, rows.middle, parameters.attentionNorm, rows.middleScale);
    const dMiddle = addTo(middleNorm.dx, dy);

    const o = linearGradient(dMiddle, rows.attendedRows, parameters.o);
    const { dq, dk, dv } = layout.attendGradient(o.dx, rows.attendedRows, attention);
    const q = linearGradient(operations.rotate(dq, query, true), rows.inputNormed, parameters.q);
    const k = linearGradient(operations.rotate(dk, key, true), rows.inputNormed, parameters.k, q.dx);
    const v = linearGradient(dv, rows.inputNormed, parameters.v, k.dx);
    const inputNorm = operations.rmsNormGradient(v.dx, rows.x, parameters.inputNorm, rows.inputScale);
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
