import { EigenvalueDecomposition, Matrix } from "ml-matrix";
import { transpose, type Rows } from "./linear-algebra";

/**
 * Eigendecomposition of a symmetric matrix (ml-matrix).
 *
 * @param a n × n, symmetric
 * @returns eigenvalues in descending order (length n), and the matching eigenvectors as rows (n × n)
 */
export function symmetricEigen(a: Rows): { values: number[]; vectors: Rows } {
  const decomposition = new EigenvalueDecomposition(new Matrix(a), { assumeSymmetric: true });
  const columns = transpose(decomposition.eigenvectorMatrix.to2DArray());
  const values = decomposition.realEigenvalues;
  const order = values.map((_, i) => i).sort((i, j) => values[j] - values[i]);
  return { values: order.map((i) => values[i]), vectors: order.map((i) => columns[i]) };
}
