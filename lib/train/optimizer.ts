import { TrainingError } from "../data/errors";
import type { CausalLM } from "../model/causal-lm";
import { operations } from "../model/operations";
import type { HostTensor } from "../model/safetensors";
import { hostTensor, kernel, ownTensor, tf, type Tensor } from "../model/tensorflow";

export interface AdamWSettings {
  beta1: number;
  beta2: number;
  epsilon: number;
  weightDecay: number;
}

/** AdamW with decoupled weight decay, in the order of torch.optim.AdamW's arithmetic (Loshchilov & Hutter, 2019). */
export class AdamW {
  private readonly names: string[];
  private moments: Record<"m" | "v", Tensor[]>;

  constructor(
    private readonly model: CausalLM,
    private readonly settings: AdamWSettings,
  ) {
    this.names = [...model.parameters.keys()];
    this.moments = { m: this.zeros().map((x) => tf.keep(x)), v: this.zeros().map((x) => tf.keep(x)) };
  }

  /** Gradients by name as a list in the order that `norm` and `update` take. */
  inOrder(gradients: ReadonlyMap<string, Tensor>): Tensor[] {
    return this.names.map((name) => gradients.get(name)!);
  }

  /** Gradients of zero, for a step in which nothing counts. */
  zeros(): Tensor[] {
    return this.names.map((name) => kernel.zerosLike(this.model.parameters.get(name)!));
  }

  /** L2 norm over all weights' gradients. */
  norm(gradients: Tensor[]): number {
    return Math.sqrt(operations.squaredSums(gradients).reduce((sum, square) => sum + square, 0));
  }

  /**
   * Update number `step` (from 1): moments of `scale` · gradient, then the weights.
   * @param gradients in order, as from `inOrder`; freed
   */
  update(gradients: Tensor[], step: number, learningRate: number, scale = 1): void {
    const weights = this.names.map((name) => this.model.parameters.get(name)!);
    const { m, v } = this.moments;
    const after = operations.adamW(weights, m, v, gradients, { ...this.settings, step, learningRate, scale });
    this.names.forEach((name, i) => this.model.replaceParameter(name, after.weights[i]));
    for (const [before, now] of [
      [m, after.m],
      [v, after.v],
    ])
      before.forEach((x, i) => {
        if (x !== now[i]) x.dispose();
      });
    this.moments = { m: after.m.map((x) => tf.keep(x)), v: after.v.map((x) => tf.keep(x)) };
    tf.dispose(gradients);
  }

  /** The moments, by names that a checkpoint stores them under. */
  state(): Map<string, HostTensor> {
    return new Map(
      (["m", "v"] as const).flatMap((role) =>
        this.names.map((name, i) => [`optimizer.${role}.${name}`, hostTensor(this.moments[role][i])] as const),
      ),
    );
  }

  restore(state: ReadonlyMap<string, HostTensor>): void {
    for (const role of ["m", "v"] as const) {
      this.names.forEach((name, i) => {
        const key = `optimizer.${role}.${name}`;
        const stored = state.get(key);
        if (stored?.shape.join() !== this.moments[role][i].shape.join())
          throw new TrainingError(
            `the checkpoint has no "${key}" of shape [${this.moments[role][i].shape.join(", ")}]; it belongs to another model.`,
          );
        this.moments[role][i].dispose();
        this.moments[role][i] = ownTensor(stored);
      });
    }
  }

  dispose(): void {
    tf.dispose([...this.moments.m, ...this.moments.v]);
  }
}
