// Dense matrices as arrays of rows. Eigenvectors and singular values come from ml-matrix; the factorization that the
// inner loops repeat is here, because it must say "not positive definite" cheaply and give its determinant.

/** Rows of a matrix. */
export type Rows = number[][];

/** n × m zeros. */
export function zeros(n: number, m: number): Rows {
  return Array.from({ length: n }, () => new Array<number>(m).fill(0));
}

export function dot(a: readonly number[], b: readonly number[]): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

/** Matrix times vector. */
export function multiply(a: readonly (readonly number[])[], x: readonly number[]): number[] {
  return a.map((row) => dot(row, x));
}

/** a · b. */
export function product(a: readonly (readonly number[])[], b: readonly (readonly number[])[]): Rows {
  const result = zeros(a.length, b[0].length);
  for (let i = 0; i < a.length; i++) {
    for (let k = 0; k < b.length; k++) {
      const factor = a[i][k];
      if (factor !== 0) for (let j = 0; j < b[0].length; j++) result[i][j] += factor * b[k][j];
    }
  }
  return result;
}

export function transpose(a: readonly (readonly number[])[]): Rows {
  return a[0].map((_, j) => a.map((row) => row[j]));
}

/** a' diag(weights) a. */
export function crossProduct(a: readonly (readonly number[])[], weights?: readonly number[]): Rows {
  const size = a[0].length;
  const result = zeros(size, size);
  for (let row = 0; row < a.length; row++) {
    for (let i = 0; i < size; i++) {
      const factor = a[row][i] * (weights ? weights[row] : 1);
      if (factor !== 0) for (let j = 0; j <= i; j++) result[i][j] += factor * a[row][j];
    }
  }
  for (let i = 0; i < size; i++) for (let j = 0; j < i; j++) result[j][i] = result[i][j];
  return result;
}

/** x' a x. */
export function quadraticForm(a: readonly (readonly number[])[], x: readonly number[]): number {
  return dot(x, multiply(a, x));
}

/** The symmetric matrix a = L L'. */
export class Cholesky {
  private constructor(readonly lower: Rows) {}

  /** Null where `a`, of which only the lower triangle is read, is not positive definite. */
  static of(a: readonly (readonly number[])[]): Cholesky | null {
    const size = a.length;
    const lower = zeros(size, size);
    for (let i = 0; i < size; i++) {
      const row = lower[i];
      for (let j = 0; j <= i; j++) {
        const other = lower[j];
        let sum = a[i][j];
        for (let k = 0; k < j; k++) sum -= row[k] * other[k];
        if (i !== j) {
          row[j] = sum / other[j];
        } else {
          if (!(sum > 0)) return null;
          row[j] = Math.sqrt(sum);
        }
      }
    }
    return new Cholesky(lower);
  }

  logDeterminant(): number {
    return 2 * this.lower.reduce((sum, row, i) => sum + Math.log(row[i]), 0);
  }

  /** a⁻¹ b. */
  solve(b: readonly number[]): number[] {
    const { lower } = this;
    const x = [...b];
    for (let i = 0; i < x.length; i++) {
      for (let k = 0; k < i; k++) x[i] -= lower[i][k] * x[k];
      x[i] /= lower[i][i];
    }
    for (let i = x.length - 1; i >= 0; i--) {
      x[i] /= lower[i][i];
      for (let k = 0; k < i; k++) x[k] -= lower[i][k] * x[i];
    }
    return x;
  }

  inverse(): Rows {
    const size = this.lower.length;
    return Array.from({ length: size }, (_, i) =>
      this.solve(Array.from({ length: size }, (_, j) => (i === j ? 1 : 0))),
    );
  }
}
