import { dependsOnLength, ropeFrequencies, type RopeSettings } from "./rope";
import { kernel, tf, type Tensor } from "./tensorflow";

/** Cosines and sines of the rotation angles of N rows, for the first R dimensions of each head. */
export interface Rotation {
  /** (N, R / 2) */
  cos: Tensor;
  /** (N, R / 2) */
  sin: Tensor;
  /** dimensions of a head, D ≥ R */
  headSize: number;
  /** factor on the D − R dimensions that are not rotated */
  rest: number;
}

/** The rotations of the rows of a pass. */
export type Rotations = Record<"query" | "key", Rotation>;

/** The rows of a pass. */
export interface RotatedRows {
  /** position of each row in its sequence, at least 0 */
  positions: Int32Array;
  /** the same as a tensor (N, int32); default: made from `positions` */
  index?: Tensor;
  /** length of each row's sequence, for frequencies that depend on it */
  lengths: () => Int32Array;
}

/**
 * Rotations by position, for queries and for keys. Those of queries include attention's factor on the scores. A table on
 * the device grows to the largest position used so far; where the frequencies depend on a sequence's length, rotations
 * are computed for each pass.
 */
export class RotaryTable {
  /** number of positions in `tables` */
  private positions = 0;
  private tables: Rotations | undefined;

  /**
   * @param settings what determines the frequencies; null: no rotation
   * @param headSize dimensions of a head
   * @param scale factor on attention's scores
   */
  constructor(
    private readonly settings: RopeSettings | null,
    private readonly headSize: number,
    private readonly scale: number,
  ) {}

  /** Returns the rotations of rows. The tensors belong to the enclosing `tf.tidy`. */
  at(rows: RotatedRows): Rotations {
    const { positions } = rows;
    if (dependsOnLength(this.settings?.scaling ?? null)) return this.computed(positions, rows.lengths());
    const { query, key } = this.upTo(positions.reduce((a, b) => Math.max(a, b), 0) + 1);
    const index = rows.index ?? tf.tensor1d(positions, "int32");
    const pick = (table: Rotation): Rotation => ({
      ...table,
      cos: kernel.gather(table.cos, index),
      sin: kernel.gather(table.sin, index),
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
  private upTo(length: number): Rotations {
    if (this.tables && length <= this.positions) return this.tables;
    const positions = Math.max(length, 2 * this.positions);
    this.dispose();
    const every = Int32Array.from({ length: positions }, (_, position) => position);
    const tables = tf.tidy(() => this.computed(every) as object as tf.TensorContainerObject) as object as Rotations;
    for (const { cos, sin } of Object.values(tables)) [cos, sin].forEach((tensor) => tf.keep(tensor));
    this.tables = tables;
    this.positions = positions;
    return this.tables;
  }

  /** Computes the rotations of rows, on the host. */
  private computed(positions: Int32Array, lengths?: Int32Array): Rotations {
    const half = this.settings ? this.settings.size / 2 : 1; // without rotation, one pair of dimensions turns by 0
    const cos = new Float32Array(positions.length * half);
    const sin = new Float32Array(positions.length * half);
    const byLength = new Map<number, { frequencies: Float32Array; factor: number }>();
    const ofLength = (length: number) => {
      const { frequencies, factor } = this.settings
        ? ropeFrequencies(this.settings, length)
        : { frequencies: [0], factor: 1 };
      const found = { frequencies: Float32Array.from(frequencies), factor };
      byLength.set(length, found);
      return found;
    };
    positions.forEach((position, row) => {
      const length = lengths?.[row] ?? 1;
      const { frequencies, factor } = byLength.get(length) ?? ofLength(length);
      frequencies.forEach((frequency, i) => {
        const angle = Math.fround(position * frequency); // float32, as the reference computes it
        cos[row * half + i] = Math.cos(angle) * factor;
        sin[row * half + i] = Math.sin(angle) * factor;
      });
    });
    const table = (values: Float32Array, factor: number) =>
      tf.tidy(() => kernel.mul(tf.tensor2d(values, [positions.length, half]), tf.scalar(factor)));
    const rotation = (factor: number): Rotation => ({
      cos: table(cos, factor),
      sin: table(sin, factor),
      headSize: this.headSize,
      rest: factor,
    });
    return { query: rotation(this.scale), key: rotation(1) };
  }
}
