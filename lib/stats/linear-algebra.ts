// Dense matrices as arrays of rows. ml-matrix computes eigenvectors (see eigen.ts); the Cholesky factorization is
// implemented here because inner loops repeat it: it must report "not positive definite" cheaply and give its
// determinant.

/** A dense matrix as an array of rows. */
export type Rows = number[][];

/** Returns an n × m matrix of zeros. */
export function zeros(n: number, m: number): Rows {
  return Array.from({ length: n }, () => new Array<number>(m).fill(0));
}

/**
 * Inner product a'b.
 *
 * @param a length n
 * @param b length n or longer; entries beyond n are ignored
 */
export function dot(a: readonly number[], b: readonly number[]): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

/**
 * Matrix times vector, a x.
 *
 * @param a n × m
 * @param x length m
 * @returns length n
 */
export function multiply(a: readonly (readonly number[])[], x: readonly number[]): number[] {
  return a.map((row) => dot(row, x));
}

/**
 * Matrix product a b.
 *
 * @param a n × k
 * @param b k × m
 * @returns n × m
 */
export function product(a: readonly (readonly number[])[], b: readonly (readonly number[])[]): Rows {
  const width = b.length > 0 ? b[0].length : 0;
  const result = zeros(a.length, width);
  for (let i = 0; i < a.length; i++) {
    const sums = result[i];
    for (let k = 0; k < b.length; k++) {
      const factor = a[i][k];
      const row = b[k];
      if (factor !== 0) for (let j = 0; j < width; j++) sums[j] += factor * row[j];
    }
  }
  return result;
}

/** Transposes an n × m matrix with at least one row into an m × n matrix. */
export function transpose(a: readonly (readonly number[])[]): Rows {
  return a[0].map((_, j) => a.map((row) => row[j]));
}

/**
 * Transposed matrix times vector, a' x.
 *
 * @param a n × m, n at least 1
 * @param x length n
 * @returns length m
 */
export function multiplyTransposed(a: readonly (readonly number[])[], x: readonly number[]): number[] {
  const result = new Array<number>(a[0].length).fill(0);
  for (let i = 0; i < a.length; i++) {
    const row = a[i];
    const factor = x[i];
    for (let j = 0; j < row.length; j++) result[j] += factor * row[j];
  }
  return result;
}

/**
 * Puts matrices side by side, [a₁ a₂ …].
 *
 * @param n number of rows
 * @param blocks n rows each
 * @returns n × the sum of the blocks' widths
 */
export function joinColumns(n: number, blocks: readonly Rows[]): Rows {
  return Array.from({ length: n }, (_, i) => {
    const row: number[] = [];
    for (const block of blocks) row.push(...block[i]);
    return row;
  });
}

/**
 * Quadratic form x' a x.
 *
 * @param a n × n
 * @param x length n
 */
export function quadraticForm(a: readonly (readonly number[])[], x: readonly number[]): number {
  return dot(x, multiply(a, x));
}

/**
 * Cholesky factorization a = L L' of a symmetric positive definite matrix. Leading zeros of the rows of `a` are zeros of
 * L too, and are skipped: a block-diagonal matrix with a border costs little more than its blocks.
 */
export class Cholesky {
  /**
   * @param lower L, n × n, lower triangular
   * @param first index of the first entry of each row of L that is not zero
   */
  private constructor(
    readonly lower: Rows,
    private readonly first: number[],
  ) {}

  /**
   * Factorizes a symmetric matrix.
   *
   * @param a n × n; only the lower triangle is read
   * @returns null if `a` is not positive definite
   */
  static of(a: readonly (readonly number[])[]): Cholesky | null {
    const size = a.length;
    const lower = zeros(size, size);
    const first = a.map((row, i) => {
      let j = 0;
      while (j < i && row[j] === 0) j++;
      return j;
    });
    for (let i = 0; i < size; i++) {
      const row = lower[i];
      for (let j = first[i]; j <= i; j++) {
        const other = lower[j];
        let sum = a[i][j];
        for (let k = Math.max(first[i], first[j]); k < j; k++) sum -= row[k] * other[k];
        if (i !== j) {
          row[j] = sum / other[j];
        } else {
          if (!(sum > 0)) return null;
          row[j] = Math.sqrt(sum);
        }
      }
    }
    return new Cholesky(lower, first);
  }

  /** Returns log |a|. */
  logDeterminant(): number {
    return 2 * this.lower.reduce((sum, row, i) => sum + Math.log(row[i]), 0);
  }

  /** Returns a⁻¹ b for a vector b of length n. */
  solve(b: readonly number[]): number[] {
    return this.solveInPlace([...b], 0);
  }

  /** Returns a⁻¹, n × n. */
  inverse(): Rows {
    return this.lower.map((_, k) => this.inverseColumn(k));
  }

  /** Returns column k of a⁻¹, length n. */
  inverseColumn(k: number): number[] {
    const unit = new Array<number>(this.lower.length).fill(0);
    unit[k] = 1;
    return this.solveInPlace(unit, k);
  }

  /** Replaces x by a⁻¹ x, where the entries of x before `from` are 0. */
  private solveInPlace(x: number[], from: number): number[] {
    const { lower, first } = this;
    for (let i = from; i < x.length; i++) {
      const row = lower[i];
      let sum = x[i];
      for (let k = Math.max(from, first[i]); k < i; k++) sum -= row[k] * x[k];
      x[i] = sum / row[i];
    }
    for (let i = x.length - 1; i >= 0; i--) {
      const row = lower[i];
      const value = (x[i] /= row[i]);
      for (let k = first[i]; k < i; k++) x[k] -= row[k] * value;
    }
    return x;
  }
}
