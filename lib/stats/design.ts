import type { FixedTerm } from "./formula";
import { dot, zeros, type Rows } from "./linear-algebra";
import { orthogonalPolynomial, rawPolynomial, type PolynomialBasis } from "./polynomial";
import { categoryColumn, isText, levelsOf, numericColumn, type DataRow } from "./data-rows";
import { StatisticsError } from "../data/errors";

/** The columns of a model matrix that belong to one term of the formula. */
export interface DesignTerm {
  label: string;
  names: string[];
  /** Places in the matrix. */
  columns: number[];
  /** Of polynomials: the basis, and the column of data that it is of. */
  polynomial?: { column: string; basis: PolynomialBasis };
}

/** A model matrix and how to make it for other rows. */
export interface Design {
  names: string[];
  terms: DesignTerm[];
  /** n × names.length */
  matrix: Rows;
  /** @throws StatisticsError for a missing value or a level that the fit has not seen */
  of(rows: readonly DataRow[]): Rows;
}

interface Part {
  label: string;
  names: string[];
  polynomial?: DesignTerm["polynomial"];
  columns(rows: readonly DataRow[]): Rows;
}

/** The model matrix of fixed terms, or of those within a random term, with treatment contrasts, as R makes it. */
export function buildDesign(rows: readonly DataRow[], terms: readonly FixedTerm[], intercept: boolean): Design {
  const parts: Part[] = [];
  if (intercept) parts.push({ label: "(Intercept)", names: ["(Intercept)"], columns: (given) => given.map(() => [1]) });
  let full = !intercept;
  for (const term of terms) {
    const part = compile(rows, term, full);
    full &&= !isFactor(rows, term);
    parts.push(part);
  }
  const of = (given: readonly DataRow[]): Rows => {
    const blocks = parts.map((part) => part.columns(given));
    return given.map((_, i) => blocks.flatMap((block) => block[i]));
  };
  let next = 0;
  const placed = parts.map(({ label, names, polynomial }) => ({
    label,
    names,
    polynomial,
    columns: names.map(() => next++),
  }));
  return { names: parts.flatMap((part) => part.names), terms: placed, matrix: of(rows), of };
}

function isFactor(rows: readonly DataRow[], term: FixedTerm): boolean {
  return term.kind === "factor" || (term.kind === "column" && isText(rows, term.column));
}

function compile(rows: readonly DataRow[], term: FixedTerm, full: boolean): Part {
  const { label, column } = term;
  if (isFactor(rows, term)) return factorPart(rows, label, column, full);
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

function factorPart(rows: readonly DataRow[], label: string, column: string, full: boolean): Part {
  const levels = levelsOf(categoryColumn(rows, column));
  if (levels.length < 2) {
    throw new StatisticsError(
      `column "${column}" has a single level, "${levels[0]}", so ${label} has nothing to compare. ` +
        `Add rows of another level, or take ${label} out of the formula.`,
      column,
    );
  }
  const coded = full ? levels : levels.slice(1);
  return {
    label,
    names: coded.map((level) => `${label}${level}`),
    columns: (given) =>
      categoryColumn(given, column).map((level, row) => {
        if (!levels.includes(level)) throw unknownLevel(column, level, row, levels);
        return coded.map((other) => Number(other === level));
      }),
  };
}

/** A level that the fit has not seen. */
export function unknownLevel(column: string, level: string, row: number, levels: readonly string[]): StatisticsError {
  return new StatisticsError(
    `column "${column}", row ${row}: "${level}" is not among the levels of the fit: ${levels.join(", ")}`,
    column,
  );
}

/**
 * @throws StatisticsError naming the first column that is a linear combination of those before it, with what to do,
 *   or that there are fewer rows than columns
 */
export function checkRank(
  { names, matrix, terms }: Pick<Design, "names" | "matrix" | "terms">,
  parameters = names.length,
): void {
  if (matrix.length < parameters) {
    throw new StatisticsError(
      `${matrix.length} rows cannot determine ${parameters} parameters (${names.slice(0, 3).join(", ")}, …). Add rows, or take terms out of the formula.`,
    );
  }
  const columns = names.map((_, j) => matrix.map((row) => row[j]));
  const basis: number[][] = [];
  const combinations = zeros(names.length, names.length);
  for (const [j, column] of columns.entries()) {
    const rest = [...column];
    combinations[j][j] = 1;
    for (let repeat = 0; repeat < 2; repeat++) {
      for (const [k, direction] of basis.entries()) {
        const along = dot(direction, rest);
        for (let i = 0; i < rest.length; i++) rest[i] -= along * direction[i];
        for (let c = 0; c <= k; c++) combinations[j][c] -= along * combinations[k][c];
      }
    }
    const length = Math.sqrt(dot(rest, rest));
    const size = Math.sqrt(dot(column, column));
    if (length <= 1e-7 * size || size === 0) {
      const others = names.filter(
        (_, c) => c < j && Math.abs(combinations[j][c]) * Math.sqrt(dot(columns[c], columns[c])) > 1e-6 * size,
      );
      const term = terms.find((one) => one.columns.includes(j))!;
      const column = term.polynomial?.column ?? term.label;
      throw new StatisticsError(
        `column "${names[j]}" ${others.length === 0 ? "is zero in every row" : `is determined by ${others.join(", ")}`}, so its coefficient cannot be estimated. ` +
          (term.polynomial
            ? `"${column}" has too few distinct values for ${term.label}: add values, or lower the degree.`
            : `Take ${term.label} or one of those out of the formula.`),
        column,
      );
    }
    basis.push(rest.map((value) => value / length));
    for (let c = 0; c <= j; c++) combinations[j][c] /= length;
  }
}
