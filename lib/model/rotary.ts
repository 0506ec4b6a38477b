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

/** Cosines and sines of rows, repeated for each head: both (N, heads · D). */
export interface Rotation { cos: Tensor; sin: Tensor }

/**
 * The rotations of every position asked for so far, kept on the device for queries and for keys.
 * Those of queries carry attention's factor 1/√D.
 */
export class RotaryTable {
  private readonly frequencies: Float32Array;
  private known = 0;
  private tables: Record<"query" | "key", Rotation> | undefined;

  constructor(private readonly config: ModelConfig) {
    this.frequencies = Float32Array.from(rotaryFrequencies(config));
  }

  /** For rows at these positions. The tensors belong to the enclosing `tf.tidy`. */
  at(positions: Int32Array): Record<"query" | "key", Rotation> {
    const { query, key } = this.upTo(positions.reduce((a, b) => Math.max(a, b), 0) + 1);
    const index = tf.tensor1d(positions, "int32");
    const pick = ({ cos, sin }: Rotation): Rotation => ({ cos: kernel.gather(cos, index), sin: kernel.gather(sin, index) });
    return { query: pick(query), key: pick(key) };
  }

  dispose(): void {
    if (this.tables) tf.dispose([this.tables.query, this.tables.key].flatMap(({ cos, sin }) => [cos, sin]));
    this.tables = undefined;
    this.known = 0;
  }

  private upTo(length: number): Record<"query" | "key", Rotation> {
    if (this.tables && length <= this.known) return this.tables;
    const { headSize, heads, keyValueHeads } = this.config;
    const positions = Math.max(length, 2 * this.known);
    const cos = new Float32Array(positions * headSize);
    const sin = new Float32Array(positions * headSize);
    for (let position = 0; position < positions; position++) {
      for (let i = 0; i < headSize; i++) {
        const angle = Math.fround(position * this.frequencies[i % this.frequencies.length]); // float32, as the reference computes it
        cos[position * headSize + i] = Math.cos(angle);
        sin[position * headSize + i] = Math.sin(angle);
      }
    }
    this.dispose();
    const table = (values: Float32Array, repeats: number, factor: number) =>
      tf.keep(tf.tidy(() => tf.tile(kernel.mul(tf.tensor2d(values, [positions, headSize]), tf.scalar(factor)), [1, repeats])));
    const factor = 1 / Math.sqrt(headSize);
    this.tables = {
      query: { cos: table(cos, heads, factor), sin: table(sin, heads, factor) },
      key: { cos: table(cos, keyValueHeads, 1), sin: table(sin, keyValueHeads, 1) },
    };
    this.known = positions;
    return this.tables;
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

/** Rotates queries or keys x (N, heads · D). Source: Transformers 5.23, `apply_rotary_pos_emb`. */
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
