import { DataError } from "../data/errors";

/** A row's fields, checked as they are read. Problems are thrown as {@link FieldProblem}. */
export class Fields {
  constructor(
    private readonly row: unknown,
    private readonly path = "",
  ) {
    if (typeof row !== "object" || row === null || Array.isArray(row))
      throw new FieldProblem(path || "row", `must be an object, not ${shown(row)}`);
  }

  value(field: string): unknown {
    return (this.row as Record<string, unknown>)[field];
  }

  text(field: string): string {
    const value = this.value(field);
    if (typeof value !== "string")
      throw this.problem(field, value === undefined ? "is missing" : `must be text, not ${shown(value)}`);
    return value;
  }

  texts(field: string): string[] {
    const value = this.value(field);
    if (!Array.isArray(value) || !value.every((item) => typeof item === "string")) {
      throw this.problem(field, value === undefined ? "is missing" : `must be a list of texts, not ${shown(value)}`);
    }
    return value;
  }

  /** At least one text. */
  choices(field: string): string[] {
    const texts = this.texts(field);
    if (texts.length === 0) throw this.problem(field, "has no choices");
    const empty = texts.findIndex((text) => text === "");
    if (empty >= 0) throw this.problem(field, `has an empty choice (number ${empty + 1})`);
    return texts;
  }

  object(field: string): Fields {
    if (this.value(field) === undefined) throw this.problem(field, "is missing");
    return new Fields(this.value(field), this.name(field));
  }

  problem(field: string, problem: string): FieldProblem {
    return new FieldProblem(this.name(field), problem);
  }

  private name(field: string): string {
    return this.path ? `${this.path}.${field}` : field;
  }
}

export class FieldProblem extends Error {
  constructor(
    readonly field: string,
    readonly problem: string,
  ) {
    super(`${field} ${problem}`);
  }
}

/** Converts every row. @throws {DataError} naming all rows with a problem, 0-based, and the field */
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
    `${file}: ${problems.length} bad ${problems.length === 1 ? "row" : "rows"} (counted from 0):\n  ${listed.join("\n  ")}`,
    problems,
  );
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
