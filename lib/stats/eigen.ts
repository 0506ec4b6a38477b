import { EigenvalueDecomposition, Matrix } from "ml-matrix";
import { transpose, type Rows } from "./linear-algebra";

/** Eigenvalues of a symmetric matrix, largest first, and its eigenvectors, one a row. */
export function symmetricEigen(a: Rows): { values: number[]; vectors: Rows } {
  const decomposition = new EigenvalueDecomposition(new Matrix(a), { assumeSymmetric: true });
  const columns = transpose(decomposition.eigenvectorMatrix.to2DArray());
  const order = decomposition.realEigenvalues
    .map((_, i) => i)
    .sort((i, j) => decomposition.realEigenvalues[j] - decomposition.realEigenvalues[i]);
  return { values: order.map((i) => decomposition.realEigenvalues[i]), vectors: order.map((i) => columns[i]) };
}

/** The symmetric matrix whose square is a positive semi-definite one. */
export function squareRoot(a: Rows): Rows {
  const { values, vectors } = symmetricEigen(a);
  return a.map((row, i) =>
    row.map((_, j) =>
      values.reduce((sum, value, k) => sum + Math.sqrt(Math.max(0, value)) * vectors[k][i] * vectors[k][j], 0),
    ),
  );
}
