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
  const order = decomposition.realEigenvalues
    .map((_, i) => i)
    .sort((i, j) => decomposition.realEigenvalues[j] - decomposition.realEigenvalues[i]);
  return { values: order.map((i) => decomposition.realEigenvalues[i]), vectors: order.map((i) => columns[i]) };
}
