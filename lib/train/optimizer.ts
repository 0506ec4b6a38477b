import { TrainingError } from "../data/errors";
import type { CausalLM } from "../model/causal-lm";
import { operations } from "../model/operations";
import type { HostTensor } from "../model/safetensors";
import { hostTensor, kernel, ownTensor, tf, type Tensor } from "../model/tensorflow";

/** Hyperparameters of {@link AdamW}, as in torch.optim.AdamW. */
export interface AdamWSettings {
  /** decay rate of the first moment, in [0, 1) */
  beta1: number;
  /** decay rate of the second moment, in [0, 1) */
  beta2: number;
  /** added to the denominator √v̂ */
  epsilon: number;
  /** decoupled from the gradient; applies to all parameters */
  weightDecay: number;
}

/**
 * AdamW with decoupled weight decay (Loshchilov & Hutter, 2019), in the order of torch.optim.AdamW's arithmetic. It
 * updates what is trainable of one model: its parameters, or its adapter.
 */
export class AdamW {
  private readonly names: string[];
  private moments: Record<"m" | "v", Tensor[]>;

  /** @param model stays the caller's; its parameters must keep their shapes */
  constructor(
    private readonly model: CausalLM,
    private readonly settings: AdamWSettings,
  ) {
    this.names = [...model.trainable.keys()];
    const { m, v } = tf.tidy(() => ({ m: this.zeros(), v: this.zeros() })); // if memory runs out, none is left behind
    this.moments = { m: m.map((x) => tf.keep(x)), v: v.map((x) => tf.keep(x)) };
  }

  /** Arranges gradients by parameter name as the list that `squaredSums` and `update` take. */
  inOrder(gradients: ReadonlyMap<string, Tensor>): Tensor[] {
    return this.names.map((name) => gradients.get(name)!);
  }

  /** Returns zero gradients, for a step in which no token has a loss weight above 0. The caller disposes them. */
  zeros(): Tensor[] {
    return this.names.map((name) => kernel.zerosLike(this.model.trainable.get(name)!));
  }

  /** Computes Σ g² of each parameter's gradient; the norm is the root of their sum. The caller disposes the vector. */
  squaredSums(gradients: Tensor[]): Tensor {
    return tf.tidy(() => operations.squaredSums(gradients));
  }

  /**
   * Performs one update: the moments from `scale` · gradient, then the parameters.
   *
   * @param gradients in the order of `inOrder`; disposed
   * @param step number of this update, from 1, for the bias correction
   * @param scale factor from gradient clipping; default 1
   */
  update(gradients: Tensor[], step: number, learningRate: number, scale = 1): void {
    const parameters = this.names.map((name) => this.model.trainable.get(name)!);
    const { m, v } = this.moments;
    const after = operations.adamW(parameters, m, v, gradients, { ...this.settings, step, learningRate, scale });
    this.names.forEach((name, i) => this.model.replaceParameter(name, after.weights[i]));
    disposeReplaced(m, after.m);
    disposeReplaced(v, after.v);
    this.moments = { m: after.m.map((x) => tf.keep(x)), v: after.v.map((x) => tf.keep(x)) };
    tf.dispose(gradients);
  }

  /** Returns the moments for a checkpoint, named `optimizer.m.<parameter>` and `optimizer.v.<parameter>`. */
  state(): Map<string, HostTensor> {
    return new Map(
      (["m", "v"] as const).flatMap((role) =>
        this.names.map((name, i) => [`optimizer.${role}.${name}`, hostTensor(this.moments[role][i])] as const),
      ),
    );
  }

  /**
   * Replaces the moments by those of a checkpoint.
   *
   * @param state tensors by the names of `state`; others are ignored
   * @throws {TrainingError} if a moment is missing or has another shape
   */
  restore(state: ReadonlyMap<string, HostTensor>): void {
    for (const role of ["m", "v"] as const) {
      this.names.forEach((name, i) => {
        const key = `optimizer.${role}.${name}`;
        const shape = this.moments[role][i].shape;
        const stored = state.get(key);
        if (stored?.shape.join() !== shape.join())
          throw new TrainingError(
            `the checkpoint has no tensor "${key}" of shape [${shape.join(", ")}]; it belongs to another model.`,
          );
        this.moments[role][i].dispose();
        this.moments[role][i] = ownTensor(stored);
      });
    }
  }

  /** Disposes the moments; the optimizer cannot be used afterwards. */
  dispose(): void {
    tf.dispose([...this.moments.m, ...this.moments.v]);
  }
}

/** Disposes tensors whose values were not updated in place. */
function disposeReplaced(before: Tensor[], after: Tensor[]): void {
  before.forEach((x, i) => {
    if (x !== after[i]) x.dispose();
  });
}
