// One decoder layer: norm → attention → norm → add → norm → gated MLP → norm → add, forward and backward. Which of the
// norms there are is a trait of the model; LLaMA has those before attention and MLP.
// Shapes: N rows of tokens, B batch, T positions per sequence, H hidden size.
import { FEW_ROWS } from "./fused";
import { CachedLayout, lastRows, type InferenceLayout, type KeyValueCache, type PackedLayout } from "./layout";
import { addTo, operations } from "./operations";
import {
  adapterGradient,
  needsInput,
  normed,
  normGradient,
  projected,
  projectionGradient,
  type Gradients,
  type Normed,
} from "./projection";
import type { Rotation } from "./rotary";
import { tf, type Tensor } from "./tensorflow";
import type { TreeLayout } from "./tree-layout";
import type { BlockContext, BlockWeights, Norm, Projection } from "./block-context";

/**
 * Runs one layer without a gradient, over sequences that may continue cached positions.
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
  const { layout } = context;
  if (context.isLlama && past && layout.length === 1 && layout instanceof CachedLayout && layout.batch <= FEW_ROWS)
    return layout.decode(x, parameters, context, past);
  return tf.tidy(() => {
    const select = (rows: Tensor) => (last === context ? rows : lastRows(rows, layout, last.layout.length));
    let cache: KeyValueCache;
    const y = inferRows(x, parameters, context, { query: last.query, select }, (q, k, v) => {
      const attended = last.layout.attend(q, k, v, context.pattern, past);
      ({ cache } = attended);
      return attended.y;
    });
    return { y, cache: cache! };
  }) as { y: Tensor; cache: KeyValueCache };
}

/**
 * Runs one layer without a gradient, over a tree of sequences.
 *
 * @param x hidden states (N, H); their memory may be overwritten
 * @param last context of the queries, if they are not all rows
 * @returns (N, H), or (M, H) for the M queries of `last`
 */
export const inferTree = (
  x: Tensor,
  parameters: BlockWeights,
  context: BlockContext<TreeLayout>,
  { layout, query }: BlockContext<TreeLayout>,
): Tensor =>
  tf.tidy(() =>
    inferRows(x, parameters, context, { query, select: (rows) => layout.queryRows(rows) }, (q, k, v) =>
      layout.attend(q, k, v, context.pattern),
    ),
  );

/** The rows of a layer that have queries, and their rotations. */
interface QueryRows {
  query: Rotation;
  /** selects them from all rows */
  select(rows: Tensor): Tensor;
}

/** Runs one layer without a gradient, with the attention that is given: of queries, keys and values, after rotation. */
function inferRows(
  x: Tensor,
  parameters: BlockWeights,
  context: BlockContext<unknown>,
  { query, select }: QueryRows,
  attend: (q: Tensor, k: Tensor, v: Tensor) => Tensor,
): Tensor {
  const { epsilon } = context;
  const input = normed(x, parameters, "beforeAttention", epsilon).y;
  const queries = normed(projected(select(input), parameters, "q"), parameters, "queryNorm", epsilon).y;
  const keys = normed(projected(input, parameters, "k"), parameters, "keyNorm", epsilon).y;
  const attended = attend(
    operations.rotate(queries, query),
    operations.rotate(keys, context.key),
    projected(input, parameters, "v"),
  );
  /** Adds the result of a projection to `sum`, whose memory may be reused. */
  const added = (rows: Tensor, role: "o" | "down", norm: "afterAttention" | "afterMlp", sum: Tensor) =>
    parameters[norm]
      ? addTo(normed(projected(rows, parameters, role), parameters, norm, epsilon).y, sum)
      : projected(rows, parameters, role, sum);
  const middle = added(attended, "o", "afterAttention", select(x));
  const mlpInput = normed(middle, parameters, "beforeMlp", epsilon).y;
  const activated = gated(projected(mlpInput, parameters, "gate"), projected(mlpInput, parameters, "up"), context);
  return added(activated, "down", "afterMlp", middle);
}

const gated = (gate: Tensor, up: Tensor, { activation }: Pick<BlockContext<unknown>, "activation">): Tensor =>
  activation === "silu" ? operations.swiglu(gate, up) : operations.geglu(gate, up);

/** What a projection is applied to, as far as its gradient needs it. */
type Input = Pick<Normed, "saved"> & { y?: Tensor };

/** Results of `forwardBlock` that `backwardBlock` uses. */
interface Saved {
  input: Input;
  query: Pick<Normed, "saved">;
  key: Pick<Normed, "saved">;
  attendedRows: Tensor;
  /** tensors that the layout's `attend` saved */
  attention: Tensor[];
  attentionOutput: Pick<Normed, "saved">;
  mlpInput: Input;
  gate: Tensor;
  up: Tensor;
  activated?: Tensor;
  output: Pick<Normed, "saved">;
}

/**
 * Runs one layer for training.
 *
 * @param x hidden states (N, H); `saved` may refer to this tensor
 * @returns `y` (N, H), and the tensors for `backwardBlock`, which disposes them
 */
export function forwardBlock(
  x: Tensor,
  parameters: BlockWeights,
  context: BlockContext<PackedLayout>,
): { y: Tensor; saved: Saved } {
  const { layout, epsilon, pattern } = context;
  return tf.tidy(() => {
    const input = normed(x, parameters, "beforeAttention", epsilon);
    const query = normed(projected(input.y, parameters, "q"), parameters, "queryNorm", epsilon);
    const key = normed(projected(input.y, parameters, "k"), parameters, "keyNorm", epsilon);
    const { y: attendedRows, saved: attention } = layout.attend(
      operations.rotate(query.y, context.query),
      operations.rotate(key.y, context.key),
      projected(input.y, parameters, "v"),
      pattern,
    );
    const attentionOutput = normed(projected(attendedRows, parameters, "o"), parameters, "afterAttention", epsilon);
    const middle = addTo(attentionOutput.y, x);
    const mlpInput = normed(middle, parameters, "beforeMlp", epsilon);
    const gate = projected(mlpInput.y, parameters, "gate");
    const up = projected(mlpInput.y, parameters, "up");
    const activated = gated(gate, up, context);
    const output = normed(projected(activated, parameters, "down"), parameters, "afterMlp", epsilon);
    const y = addTo(output.y, middle);
    const saved = {
      input: kept(input, parameters, ["q", "k", "v"]),
      query: { saved: query.saved },
      key: { saved: key.saved },
      attendedRows,
      attention,
      attentionOutput: { saved: attentionOutput.saved },
      mlpInput: kept(mlpInput, parameters, ["gate", "up"]),
      gate,
      up,
      activated: needsInput(parameters, ["down"]) ? activated : undefined,
      output: { saved: output.saved },
    };
    return { y, saved } as object as tf.TensorContainerObject;
  }) as object as { y: Tensor; saved: Saved };
}

/** What the gradients of these projections need of their input. Without a norm it is the layer's own, and stays. */
const kept = ({ y, saved }: Normed, parameters: BlockWeights, roles: readonly Projection[]): Input =>
  saved && !needsInput(parameters, roles) ? { saved } : { y, saved };

/**
 * Computes the gradients of one layer from the gradient of its output, and disposes the saved tensors, x included.
 *
 * @param dy gradient of the output (N, H)
 * @param isLowest true if nothing below the layer is trained, so that the gradient of its input is not wanted; only for
 *   a layer with an adapter
 * @returns `dx` (N, H), the gradient of the input, and the gradients of the parameters or of the adapter
 */
export function backwardBlock(
  dy: Tensor,
  parameters: BlockWeights,
  saved: Saved,
  context: BlockContext<PackedLayout>,
  isLowest = false,
): { dx?: Tensor; gradients: Gradients } {
  const { layout, query, key, pattern, activation } = context;
  const { input, attendedRows, mlpInput, gate, up } = saved;
  const result = tf.tidy(() => {
    const gradients: Gradients = { parameters: {}, adapters: {} };
    const norm = (d: Tensor, of: Pick<Normed, "saved">, role: Norm) => normGradient(d, of, parameters, role, gradients);
    const product = (d: Tensor, x: Tensor | undefined, role: Projection, dx?: Tensor) =>
      projectionGradient(d, x, parameters, role, gradients, dx);

    const dActivated = product(norm(dy, saved.output, "afterMlp"), saved.activated, "down");
    const { dGate, dUp } =
      activation === "silu"
        ? operations.swigluGradient(dActivated, gate, up)
        : operations.gegluGradient(dActivated, gate, up);
    const dMlpInput = product(dUp, mlpInput.y, "up", product(dGate, mlpInput.y, "gate"));
    const dMiddle = addTo(norm(dMlpInput, mlpInput, "beforeMlp"), dy);

    const dAttended = product(norm(dMiddle, saved.attentionOutput, "afterAttention"), attendedRows, "o");
    const { dq, dk, dv } = layout.attendGradient(dAttended, attendedRows, saved.attention, pattern);
    const dQuery = norm(operations.rotate(dq, query, true), saved.query, "queryNorm");
    const dKey = norm(operations.rotate(dk, key, true), saved.key, "keyNorm");
    if (isLowest) {
      const projections = { q: dQuery, k: dKey, v: dv };
      for (const role of ["q", "k", "v"] as const)
        adapterGradient(projections[role], input.y, parameters, role, gradients);
      return { gradients } as object as tf.TensorContainerObject;
    }
    const dInput = product(dv, input.y, "v", product(dKey, input.y, "k", product(dQuery, input.y, "q")));
    return {
      dx: addTo(norm(dInput, input, "beforeAttention"), dMiddle),
      gradients,
    } as object as tf.TensorContainerObject;
  }) as object as { dx?: Tensor; gradients: Gradients };
  disposeSaved(saved);
  return result;
}

/** Disposes what `forwardBlock` saved, but for one tensor. */
export function disposeSaved(saved: Saved, kept?: Tensor): void {
  const tensorsIn = (value: unknown): Tensor[] => {
    if (value instanceof tf.Tensor) return value === kept ? [] : [value];
    return typeof value === "object" && value !== null ? Object.values(value).flatMap(tensorsIn) : [];
  };
  tf.dispose(tensorsIn(saved));
}
