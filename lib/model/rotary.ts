import type { ModelConfig } from "./config";
import { kernel, tf, type Tensor } from "./tensorflow";

/**
 * Angle per position of each pair of a head's dimensions (headSize / 2 values), with Llama 3's scaling if the config has it.
 * Source: Transformers 5.23, `modeling_rope_utils._compute_llama3_parameters`.
 */
export function rotaryFrequencies(config: ModelConfig): number[] {
  const half = config.headSize / 2;
  const scaling = config.ropeScaling;
  return Array.from({ length: half }, (_, i) => {
    const frequency = config.ropeBase ** (-i / half);
    if (!scaling) return frequency;
    const wavelength = (2 * Math.PI) / frequency;
    const { factor, lowFrequencyFactor: low, highFrequencyFactor: high, originalMaxPositions: positions } = scaling;
    if (wavelength > positions / low) return frequency / factor;
    if (wavelength < positions / high) return frequency;
    const smooth = (positions / wavelength - low) / (high - low);
    return (1 - smooth) * frequency / factor + smooth * frequency;
  });
}

/** Cosines and sines for positions, as tensors that broadcast over heads. */
export interface Rotation { cos: Tensor; sin: Tensor }

/** The cosines and sines of every position asked for so far, kept on the host. */
export class RotaryTable {
  private readonly frequencies: Float32Array;
  private readonly headSize: number;
  private cos = new Float32Array(0);
  private sin = new Float32Array(0);

  constructor(config: ModelConfig) {
    this.frequencies = Float32Array.from(rotaryFrequencies(config));
    this.headSize = config.headSize;
  }

  /** For positions 0 … length − 1: (length, D). */
  upTo(length: number): Rotation {
    this.extend(length);
    const shape: [number, number] = [length, this.headSize];
    const values = length * this.headSize;
    return { cos: tf.tensor2d(this.cos.slice(0, values), shape), sin: tf.tensor2d(this.sin.slice(0, values), shape) };
  }

  /** For each row's own positions: (rows, 1, positions, D). */
  at(positions: number[][]): Rotation {
    this.extend(Math.max(...positions.flat()) + 1);
    const shape: [number, number, number, number] = [positions.length, 1, positions[0].length, this.headSize];
    const pick = (table: Float32Array) => {
      const values = new Float32Array(shape[0] * shape[2] * this.headSize);
      positions.flat().forEach((position, i) => values.set(table.subarray(position * this.headSize, (position + 1) * this.headSize), i * this.headSize));
      return tf.tensor4d(values, shape);
    };
    return { cos: pick(this.cos), sin: pick(this.sin) };
  }

  private extend(length: number): void {
    const { headSize } = this;
    const known = this.cos.length / headSize;
    if (length <= known) return;
    const wanted = Math.max(length, 2 * known);
    const cos = new Float32Array(wanted * headSize);
    const sin = new Float32Array(wanted * headSize);
    for (let position = 0; position < wanted; position++) {
      for (let i = 0; i < headSize; i++) {
        const angle = Math.fround(position * this.frequencies[i % this.frequencies.length]); // float32, as the reference computes it
        cos[position * headSize + i] = Math.cos(angle);
        sin[position * headSize + i] = Math.sin(angle);
      }
    }
    this.cos = cos;
    this.sin = sin;
  }
}

/** The matrix R with x·R = (−second half, first half) of x: one product instead of slicing and joining. */
export function halfTurn(headSize: number): Tensor {
  const half = headSize / 2;
  const values = new Float32Array(headSize * headSize);
  for (let i = 0; i < half; i++) {
    values[(i + half) * headSize + i] = -1;
    values[i * headSize + i + half] = 1;
  }
  return tf.tensor2d(values, [headSize, headSize]);
}

/** Rotates queries or keys x (B, heads, T, D). Source: Transformers 5.23, `apply_rotary_pos_emb`. */
export function rotate(x: Tensor, { cos, sin }: Rotation, turn: Tensor): Tensor {
  return kernel.add(kernel.mul(x, cos), kernel.mul(turned(x, turn, false), sin));
}

/** Gradient of `rotate` with respect to x. */
export function rotateGradient(dy: Tensor, { cos, sin }: Rotation, turn: Tensor): Tensor {
  return kernel.add(kernel.mul(dy, cos), turned(kernel.mul(dy, sin), turn, true));
}

// As rows of one matrix: TensorFlow 2.21's broadcasting batch product, under oneDNN, writes past its output for (B, 1, T, D) · (D, D).
function turned(x: Tensor, turn: Tensor, back: boolean): Tensor {
  const [headSize] = turn.shape;
  return kernel.reshape(kernel.matMul(kernel.reshape(x, [x.size / headSize, headSize]), turn, false, back), x.shape as number[]);
}
