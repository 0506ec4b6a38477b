import type { ModelConfig } from "./config";
import { kernel, tf, type Tensor } from "./tensorflow";

/**
 * Computes the frequencies of the rotary embedding, base^(−2i/D) for each pair i of a head's dimensions, with Llama 3's
 * scaling if the config has it.
 * Source: Transformers 5.23, `modeling_rope_utils._compute_llama3_parameters`.
 *
 * @returns headSize / 2 angles, in radians per position
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
    return ((1 - smooth) * frequency) / factor + smooth * frequency;
  });
}

/** Cosines and sines of the rotation angles of N rows. */
export interface Rotation {
  /** (N, D / 2) */
  cos: Tensor;
  /** (N, D / 2) */
  sin: Tensor;
}

/**
 * A table of rotations by position, on the device, for queries and for keys. It grows to the largest position used so
 * far. The rotations of queries include attention's factor 1/√D.
 */
export class RotaryTable {
  private readonly frequencies: Float32Array;
  /** number of positions in `tables` */
  private positions = 0;
  private tables: Record<"query" | "key", Rotation> | undefined;

  /** @param config `headSize`, `ropeBase` and `ropeScaling` determine the table */
  constructor(private readonly config: ModelConfig) {
    this.frequencies = Float32Array.from(rotaryFrequencies(config));
  }

  /**
   * Returns the rotations of rows at the given positions. The tensors belong to the enclosing `tf.tidy`.
   *
   * @param positions position of each row, at least 0
   * @param index the same as a tensor (N, int32)
   */
  at(positions: Int32Array, index: Tensor = tf.tensor1d(positions, "int32")): Record<"query" | "key", Rotation> {
    const { query, key } = this.upTo(positions.reduce((a, b) => Math.max(a, b), 0) + 1);
    const pick = ({ cos, sin }: Rotation): Rotation => ({
      cos: kernel.gather(cos, index),
      sin: kernel.gather(sin, index),
    });
    return { query: pick(query), key: pick(key) };
  }

  /** Disposes the table's tensors; it is built again when it is used. */
  dispose(): void {
    if (this.tables) tf.dispose([this.tables.query, this.tables.key].flatMap(({ cos, sin }) => [cos, sin]));
    this.tables = undefined;
    this.positions = 0;
  }

  /** The tables, extended to at least `length` positions; the size at least doubles, so that growth is rare. */
  private upTo(length: number): Record<"query" | "key", Rotation> {
    if (this.tables && length <= this.positions) return this.tables;
    const half = this.frequencies.length;
    const positions = Math.max(length, 2 * this.positions);
    const cos = new Float32Array(positions * half);
    const sin = new Float32Array(positions * half);
    for (let position = 0; position < positions; position++) {
      this.frequencies.forEach((frequency, i) => {
        const angle = Math.fround(position * frequency); // float32, as the reference computes it
        cos[position * half + i] = Math.cos(angle);
        sin[position * half + i] = Math.sin(angle);
      });
    }
    this.dispose();
    const table = (values: Float32Array, factor: number) =>
      tf.keep(tf.tidy(() => kernel.mul(tf.tensor2d(values, [positions, half]), tf.scalar(factor))));
    const factor = 1 / Math.sqrt(this.config.headSize);
    this.tables = {
      query: { cos: table(cos, factor), sin: table(sin, factor) },
      key: { cos: table(cos, 1), sin: table(sin, 1) },
    };
    this.positions = positions;
    return this.tables;
  }
}
