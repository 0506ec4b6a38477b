import { TrainingError } from "../data/errors";
import type { CausalLM } from "../model/llama";
import type { HostTensor } from "../model/safetensors";
import { kernel, tf, type Tensor } from "../model/tensorflow";

export interface AdamWSettings { beta1: number; beta2: number; epsilon: number; weightDecay: number }

/** Tensors are joined up to this many values, so that an update is a few large operations instead of many small ones. */
const BUCKET_VALUES = 1 << 22;

interface Bucket { names: string[]; sizes: number[]; m: Tensor; v: Tensor }

/** AdamW with decoupled weight decay, in the order of torch.optim.AdamW's arithmetic (Loshchilov & Hutter, 2019). */
export class AdamW {
  private readonly buckets: Bucket[] = [];

  constructor(private readonly model: CausalLM, private readonly settings: AdamWSettings) {
    let names: string[] = [];
    let values = 0;
    const close = () => {
      if (names.length === 0) return;
      const sizes = names.map((name) => model.parameters.get(name)!.size);
      this.buckets.push({ names, sizes, m: tf.keep(tf.zeros([values])), v: tf.keep(tf.zeros([values])) });
      names = [];
      values = 0;
    };
    for (const [name, { size }] of model.parameters) {
      if (values > 0 && values + size > BUCKET_VALUES) close();
      names.push(name);
      values += size;
    }
    close();
  }

  /** Joins gradients by name into one flat tensor a bucket, and frees them. */
  flatten(gradients: ReadonlyMap<string, Tensor>): Tensor[] {
    const flat = tf.tidy(() => this.buckets.map(({ names, sizes }) =>
      kernel.concat(names.map((name, i) => kernel.reshape(gradients.get(name)!, [sizes[i]])), 0)));
    tf.dispose([...gradients.values()]);
    return flat;
  }

  /** Flat gradients of zero, for a step in which nothing counts. */
  zeros(): Tensor[] {
    return this.buckets.map(({ sizes }) => tf.zeros([sizes.reduce((a, b) => a + b, 0)]));
  }

  /** L2 norm of flat gradients, over all weights. */
  norm(flat: readonly Tensor[]): number {
    const squares = flat.reduce((sum, gradient) => sum + 2 * tf.tidy(() => kernel.l2Loss(gradient).dataSync()[0]), 0);
    return Math.sqrt(squares);
  }

  /**
   * Update number `step` (from 1): moments of `scale` · gradient, then the weights.
   * @param flat gradients as from `flatten`; freed
   */
  update(flat: readonly Tensor[], step: number, learningRate: number, scale = 1): void {
    const { beta1, beta2, epsilon, weightDecay } = this.settings;
    const correction = Math.sqrt(1 - beta2 ** step);
    this.buckets.forEach((bucket, i) => {
      const [m, v, ...parts] = tf.tidy(() => {
        const gradient = scale === 1 ? flat[i] : kernel.mul(flat[i], tf.scalar(scale));
        const m = kernel.add(kernel.mul(bucket.m, tf.scalar(beta1)), kernel.mul(gradient, tf.scalar(1 - beta1)));
        const v = kernel.add(kernel.mul(bucket.v, tf.scalar(beta2)), kernel.mul(kernel.square(gradient), tf.scalar(1 - beta2)));
        const denominator = kernel.add(kernel.div(kernel.sqrt(v), tf.scalar(correction)), tf.scalar(epsilon));
        const change = kernel.div(kernel.mul(m, tf.scalar(learningRate / (1 - beta1 ** step))), denominator);
        const pieces = bucket.sizes.length === 1 ? [change] : kernel.split(change, bucket.sizes, 0);
        return [m, v, ...pieces.map((piece, j) => {
          const weight = this.model.parameters.get(bucket.names[j])!;
          const decayed = weightDecay === 0 ? weight : kernel.mul(weight, tf.scalar(1 - learningRate * weightDecay));
          return kernel.sub(decayed, kernel.reshape(piece, weight.shape as number[]));
        })];
      });
      tf.dispose([bucket.m, bucket.v, flat[i]]);
      bucket.m = tf.keep(m);
      bucket.v = tf.keep(v);
      parts.forEach((value, j) => this.model.replaceParameter(bucket.names[j], value));
    });
  }

  /** The moments, by names that a checkpoint stores them under. */
  state(): Map<string, HostTensor> {
    const state = new Map<string, HostTensor>();
    this.buckets.forEach(({ m, v }, i) => {
      for (const [role, tensor] of [["m", m], ["v", v]] as const) {
        state.set(`optimizer.${role}.${i}`, { shape: [tensor.size], data: tensor.dataSync<"float32">() as Float32Array });
      }
    });
    return state;
  }

  restore(state: ReadonlyMap<string, HostTensor>): void {
    this.buckets.forEach((bucket, i) => {
      for (const role of ["m", "v"] as const) {
        const name = `optimizer.${role}.${i}`;
        const stored = state.get(name);
        if (stored?.data.length !== bucket[role].size) throw new TrainingError(`the checkpoint has no "${name}" of ${bucket[role].size} values; it belongs to another model.`);
        bucket[role].dispose();
        bucket[role] = tf.keep(tf.tensor1d(stored.data));
      }
    });
  }

  dispose(): void {
    tf.dispose(this.buckets.flatMap(({ m, v }) => [m, v]));
  }
}
