import { distinct, numbered } from "../data/group";
import { dot, joinColumns, multiplyTransposed, zeros, type Rows } from "./linear-algebra";

/** Columns of a model matrix. */
interface Block {
  /** distinct rows, each of the block's width */
  patterns: Rows;
  /** index into `patterns` of each of the n rows */
  index: number[];
  /** index of the block's first column in the matrix */
  from: number;
}

/**
 * A model matrix X = [X₁ X₂ …] of n rows and p columns. The rows of a factor, or of a smooth over a design, repeat few
 * patterns; products with X multiply once per pattern and only add once per row.
 */
export class ModelMatrix {
  /** number of rows n */
  readonly length: number;
  /** X'X, p × p */
  readonly gram: Rows;
  private readonly blocks: Block[] = [];

  /** @param blocks at least one, with n rows each; rows of a block that are one array are one pattern */
  constructor(blocks: readonly Rows[]) {
    this.length = blocks[0].length;
    let width = 0;
    for (const rows of blocks) {
      this.blocks.push({ patterns: distinct(rows), index: numbered(rows), from: width });
      width += rows[0].length;
    }
    this.gram = zeros(width, width);
    for (const a of this.blocks)
      for (const b of this.blocks) if (b.patterns.length <= a.patterns.length) this.fillGram(a, b);
  }

  /** Returns X'y for y of length n. */
  project(y: readonly number[]): number[] {
    return this.blocks.flatMap(({ patterns, index }) => {
      const sums = new Array<number>(patterns.length).fill(0);
      for (let i = 0; i < index.length; i++) sums[index[i]] += y[i];
      return multiplyTransposed(patterns, sums);
    });
  }

  /** Returns X b for b of length p. */
  multiply(b: readonly number[]): number[] {
    const result = new Array<number>(this.length).fill(0);
    for (const { patterns, index, from } of this.blocks) {
      const own = b.slice(from);
      const values = patterns.map((pattern) => dot(pattern, own));
      for (let i = 0; i < index.length; i++) result[i] += values[index[i]];
    }
    return result;
  }

  /** Returns X itself, n × p. */
  rows(): Rows {
    return joinColumns(
      this.length,
      this.blocks.map(({ patterns, index }) => index.map((pattern) => patterns[pattern])),
    );
  }

  /** Computes X_a'X_b: sums the rows of `a` over each pattern of `b`, and multiplies the sums by the patterns. */
  private fillGram(a: Block, b: Block): void {
    const [height, width] = [a.patterns[0].length, b.patterns[0].length];
    const sums = zeros(b.patterns.length, height);
    for (let i = 0; i < this.length; i++) {
      const sum = sums[b.index[i]];
      const row = a.patterns[a.index[i]];
      for (let j = 0; j < height; j++) sum[j] += row[j];
    }
    for (let j = 0; j < height; j++) {
      const column = sums.map((sum) => sum[j]);
      const products = multiplyTransposed(b.patterns, column);
      for (let k = 0; k < width; k++)
        this.gram[a.from + j][b.from + k] = this.gram[b.from + k][a.from + j] = products[k];
    }
  }
}
