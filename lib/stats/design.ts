import type { FixedTerm } from "./formula";
import { Cholesky, dot, joinColumns, transpose, zeros, type Rows } from "./linear-algebra";
import type { ModelMatrix } from "./model-matrix";
import { orthogonalPolynomial, rawPolynomial, type PolynomialBasis } from "./polynomial";
import { categoryColumn, isText, levelsOf, numericColumn, type DataRow } from "./data-rows";
import { StatisticsError } from "../data/errors";

/** The columns of a model matrix that belong to one term of the formula. */
export interface DesignTerm {
  label: string;
  /** names of the columns, such as "pol(w_p, 2)1" */
  names: string[];
  /** indices of the columns in the matrix */
  columns: number[];
  /** polynomials only: the data column and its basis */
  polynomial?: { column: string; basis: PolynomialBasis };
}

/** A model matrix, with a function that builds the same columns for other rows. */
export interface Design {
  /** names of all columns */
  names: string[];
  terms: DesignTerm[];
  /** columns of each term, n rows each; rows with the same values may be one array */
  blocks: Rows[];
  /**
   * Builds the model matrix of other rows, m × names.length.
   *
   * @throws {StatisticsError} for a missing value, or a level that is not in the data of the fit
   */
  of(rows: readonly DataRow[]): Rows;
}

/** A term before its columns have places in the matrix. */
interface Part {
  label: string;
  names: string[];
  polynomial?: DesignTerm["polynomial"];
  /** builds the term's columns, rows × names.length */
  columns(rows: readonly DataRow[]): Rows;
}

/**
 * Builds the model matrix of fixed terms, or of the terms within a random term, as R does: with treatment contrasts,
 * except that without an intercept the first factor has a column for every level.
 *
 * @param rows data of the fit, n rows
 * @throws {StatisticsError} for missing or invalid values, a factor with a single level, or too few distinct values for
 *   an orthogonal polynomial
 */
export function buildDesign(rows: readonly DataRow[], terms: readonly FixedTerm[], intercept: boolean): Design {
  const parts: Part[] = [];
  const one = [1];
  if (intercept) parts.push({ label: "(Intercept)", names: ["(Intercept)"], columns: (given) => given.map(() => one) });
  let fullCoding = !intercept;
  for (const term of terms) {
    const part = buildPart(rows, term, fullCoding);
    fullCoding &&= !isFactor(rows, term);
    parts.push(part);
  }
  const blocksOf = (given: readonly DataRow[]): Rows[] => parts.map((part) => part.columns(given));
  let next = 0;
  const placed = parts.map(({ label, names, polynomial }) => ({
    label,
    names,
    polynomial,
    columns: names.map(() => next++),
  }));
  return {
    names: parts.flatMap((part) => part.names),
    terms: placed,
    blocks: blocksOf(rows),
    of: (given) => joinColumns(given.length, blocksOf(given)),
  };
}

function isFactor(rows: readonly DataRow[], term: FixedTerm): boolean {
  return term.kind === "factor" || (term.kind === "column" && isText(rows, term.column));
}

/** @param fullCoding gives a factor a column for every level, instead of all but the first */
function buildPart(rows: readonly DataRow[], term: FixedTerm, fullCoding: boolean): Part {
  const { label, column } = term;
  if (isFactor(rows, term)) return factorPart(rows, label, column, fullCoding);
  const values = numericColumn(rows, column);
  if (term.kind !== "polynomial")
    return { label, names: [label], columns: (given) => numericColumn(given, column).map((x) => [x]) };
  const basis = term.raw ? rawPolynomial(term.degree) : orthogonalPolynomial(values, term.degree, column);
  return {
    label,
    names: basis.monomials.map((_, j) => `${label}${j + 1}`),
    polynomial: { column, basis },
    columns: (given) => numericColumn(given, column).map((x) => basis.at(x)),
  };
}

function factorPart(rows: readonly DataRow[], label: string, column: string, fullCoding: boolean): Part {
  const levels = levelsOf(categoryColumn(rows, column));
  if (levels.length < 2) {
    throw new StatisticsError(
      `column "${column}" has a single level, "${levels[0]}", so ${label} has nothing to compare. ` +
        `Add rows of another level, or take ${label} out of the formula.`,
      column,
    );
  }
  const coded = fullCoding ? levels : levels.slice(1);
  const codes = new Map(levels.map((level) => [level, coded.map((other) => Number(other === level))]));
  return {
    label,
    names: coded.map((level) => `${label}${level}`),
    columns: (given) =>
      categoryColumn(given, column).map((level, row) => {
        const code = codes.get(level);
        if (!code) throw unknownLevel(column, level, row, levels);
        return code;
      }),
  };
}

/**
 * Creates the error for a level that is not in the data of the fit.
 *
 * @param row index of the row, 0 = first
 * @param levels of the fit
 */
export function unknownLevel(column: string, level: string, row: number, levels: readonly string[]): StatisticsError {
  return new StatisticsError(
    `column "${column}", row ${row}: "${level}" is not among the levels of the fit: ${levels.join(", ")}`,
    column,
  );
}

/**
 * Checks that a model matrix has full column rank, by modified Gram–Schmidt with one reorthogonalization. A column
 * counts as dependent if at most 1e-7 of its length is orthogonal to the columns before it. Where X'X shows that this
 * part is at least 1e-4 for every column, which its precision suffices for, there is no need to orthogonalize.
 *
 * @param design names of the p columns, and its terms
 * @param x model matrix X
 * @param parameters number of parameters that the rows must at least determine
 * @throws {StatisticsError} if there are fewer rows than parameters, or a column is a linear combination of those
 *   before it; the message names the column and says what to do
 */
export function checkRank({ names, terms }: Pick<Design, "names" | "terms">, x: ModelMatrix, parameters: number): void {
  if (x.length < parameters) {
    throw new StatisticsError(
      `${x.length} rows cannot determine ${parameters} parameters (${names.slice(0, 3).join(", ")}, …). ` +
        "Add rows, or take terms out of the formula.",
    );
  }
  const factor = Cholesky.of(x.gram);
  if (factor?.lower.every((row, j) => row[j] ** 2 > 1e-8 * x.gram[j][j])) return;
  const columns = transpose(x.rows());
  const basis: number[][] = [];
  const combinations = zeros(names.length, names.length);
  for (const [j, column] of columns.entries()) {
    const residual = [...column];
    combinations[j][j] = 1;
    for (let pass = 0; pass < 2; pass++) {
      for (const [k, direction] of basis.entries()) {
        const projection = dot(direction, residual);
        for (let i = 0; i < residual.length; i++) residual[i] -= projection * direction[i];
        for (let c = 0; c <= k; c++) combinations[j][c] -= projection * combinations[k][c];
      }
    }
    const length = Math.sqrt(dot(residual, residual));
    const size = Math.sqrt(dot(column, column));
    if (length <= 1e-7 * size || size === 0) {
      const others = names.filter(
        (_, c) => c < j && Math.abs(combinations[j][c]) * Math.sqrt(dot(columns[c], columns[c])) > 1e-6 * size,
      );
      const term = terms.find(({ columns }) => columns.includes(j))!;
      throw dependentColumn(names[j], term, others);
    }
    basis.push(residual.map((value) => value / length));
    for (let c = 0; c <= j; c++) combinations[j][c] /= length;
  }
}

/** @param others columns that determine it; empty if it is zero */
function dependentColumn(name: string, term: DesignTerm, others: readonly string[]): StatisticsError {
  const column = term.polynomial?.column ?? term.label;
  const reason = others.length === 0 ? "is zero in every row" : `is determined by ${others.join(", ")}`;
  const remedy = term.polynomial
    ? `"${column}" has too few distinct values for ${term.label}: add values, or lower the degree.`
    : `Take ${term.label}${others.length === 0 ? "" : " or one of those"} out of the formula.`;
  return new StatisticsError(`column "${name}" ${reason}, so its coefficient cannot be estimated. ${remedy}`, column);
}
