import { DataError } from "../data/errors";
import { shown } from "../data/validate";
import { illFormedField } from "../data/well-formed";

/** A row of a data file, with methods that check each field as it is read. */
export class Fields {
  /**
   * @param row the parsed row
   * @param path the row's field name within an outer row, for error messages
   * @throws {FieldProblem} if the row is not an object
   */
  constructor(
    private readonly row: unknown,
    private readonly path = "",
  ) {
    if (typeof row !== "object" || row === null || Array.isArray(row))
      throw new FieldProblem(path || "row", `must be an object, got ${shown(row)}`);
  }

  /**
   * Returns a field's value; undefined if it is missing.
   * @throws {FieldProblem} if it is or holds a text with half of a character; nothing else is checked
   */
  value(field: string): unknown {
    if (!Object.hasOwn(this.row as object, field)) return undefined;
    const value = (this.row as Record<string, unknown>)[field];
    const illFormed = illFormedField(value, this.name(field));
    if (illFormed) throw new FieldProblem(illFormed.field, illFormed.problem);
    return value;
  }

  /** Returns all fields; their values are not checked. */
  values(): Record<string, unknown> {
    return this.row as Record<string, unknown>;
  }

  /**
   * Returns a field that must be a string.
   * @throws {FieldProblem} if it is missing or not a string
   */
  text(field: string): string {
    const value = this.value(field);
    if (typeof value !== "string")
      throw this.problem(field, value === undefined ? "is missing" : `must be a string, got ${shown(value)}`);
    return value;
  }

  /**
   * Returns a field that must be an array of strings.
   * @throws {FieldProblem} if it is missing or not an array of strings
   */
  texts(field: string): string[] {
    const value = this.value(field);
    if (!Array.isArray(value) || !value.every((item) => typeof item === "string")) {
      throw this.problem(field, value === undefined ? "is missing" : `must be a list of strings, got ${shown(value)}`);
    }
    return value;
  }

  /**
   * Returns a field that must be an array of one or more non-empty strings.
   * @throws {FieldProblem} if it is not
   */
  choices(field: string): string[] {
    const texts = this.texts(field);
    if (texts.length === 0) throw this.problem(field, "has no choices");
    const empty = texts.findIndex((text) => text === "");
    if (empty >= 0) throw this.problem(field, `has an empty choice (number ${empty + 1})`);
    return texts;
  }

  /**
   * Returns a field that must be an object.
   * @throws {FieldProblem} if it is missing or not an object
   */
  object(field: string): Fields {
    if (this.value(field) === undefined) throw this.problem(field, "is missing");
    return new Fields(this.value(field), this.name(field));
  }

  /** Creates the error for a field; `problem` continues a sentence that begins with the field's name. */
  problem(field: string, problem: string): FieldProblem {
    return new FieldProblem(this.name(field), problem);
  }

  private name(field: string): string {
    return this.path ? `${this.path}.${field}` : field;
  }
}

/** A field of a row that cannot be used. {@link convertRows} collects these errors. */
export class FieldProblem extends Error {
  /**
   * @param field the field's name, with the names of enclosing fields separated by "."
   * @param problem continues a sentence that begins with the field's name
   */
  constructor(
    readonly field: string,
    readonly problem: string,
  ) {
    super(`${field} ${problem}`);
  }
}

/**
 * Converts every row of a file.
 * @param file path for error messages
 * @param convert converts one row; may throw {@link FieldProblem}
 * @throws {DataError} with all problems, naming row (0-based) and field; the message shows the first 20
 */
export function convertRows<T>(rows: readonly unknown[], file: string, convert: (row: Fields) => T): T[] {
  const problems: { row: number; field: string; problem: string }[] = [];
  const converted = rows.flatMap((row, i) => {
    try {
      return [convert(new Fields(row))];
    } catch (error) {
      if (!(error instanceof FieldProblem)) throw error;
      problems.push({ row: i, field: error.field, problem: error.problem });
      return [];
    }
  });
  if (problems.length === 0) return converted;
  const listed = problems.slice(0, 20).map(({ row, field, problem }) => `row ${row}: ${field} ${problem}`);
  if (problems.length > listed.length) listed.push(`and ${problems.length - listed.length} more`);
  throw new DataError(
    `${file}: ${problems.length} invalid ${problems.length === 1 ? "row" : "rows"} (counted from 0):\n  ` +
      listed.join("\n  "),
    problems,
  );
}
