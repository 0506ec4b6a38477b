// Texts with placeholders for the fields of a row, as a study file writes them: "Question: {question}\nAnswer:".
import { isObject, shown } from "../data/validate";
import type { Fields } from "./fields";

/** A literal text, or the path of a field whose value stands in its place. */
type Part = string | { path: string };

/**
 * Finds what is wrong with a template. Placeholders are `{field}`, `{outer.inner}` for a field of a field, and
 * `{list.0}` for an entry of a list; `{{` and `}}` are literal braces.
 * @returns continues a sentence that begins with the template's key; undefined if nothing is wrong
 */
export function templateProblem(template: string): string | undefined {
  const single = [...tokensOf(template)].find(({ token }) => token === "{" || token === "}");
  if (!single) return undefined;
  const { token, position } = single;
  return `has a single "${token}" at character ${position + 1}; write {field} for a field, ${token}${token} for a brace`;
}

/** Returns true if a template has a placeholder. */
export const hasPlaceholder = (template: string): boolean => partsOf(template).some((part) => typeof part !== "string");

/**
 * Compiles a template.
 * @param template without {@link templateProblem}
 * @returns a function from a row to the text; it throws a `FieldProblem` if the row lacks a field of a placeholder, or
 *   the field is not a text, a number or a truth value
 */
export function rowTemplate(template: string): (row: Fields) => string {
  const parts = partsOf(template);
  return (row) => parts.map((part) => (typeof part === "string" ? part : textAt(row, part.path))).join("");
}

/**
 * Returns the value of a field.
 * @param path names of nested fields, and positions in lists from 0, separated by "."
 * @throws {FieldProblem} if the row lacks it, or it is null
 */
export function valueAt(row: Fields, path: string): unknown {
  const [first, ...rest] = path.split(".");
  const value = rest.reduce(entryOf, row.value(first));
  if (value === undefined || value === null) throw row.problem(path, value === null ? "is null" : "is missing");
  return value;
}

/**
 * Returns the value of a field as a text. Numbers and truth values are written as in JSON.
 * @throws {FieldProblem} if the row lacks it, or it is something else
 */
export function textAt(row: Fields, path: string): string {
  return asText(valueAt(row, path), (problem) => row.problem(path, problem));
}

/**
 * Returns a value as a text. Numbers and truth values are written as in JSON.
 * @param problem creates the error for anything else
 */
export function asText(value: unknown, problem: (message: string) => Error): string {
  if (typeof value === "string") return value;
  if (typeof value === "boolean" || (typeof value === "number" && Number.isFinite(value))) return String(value);
  throw problem(`must be a text or a number, got ${shown(value)}`);
}

function entryOf(value: unknown, name: string): unknown {
  if (Array.isArray(value)) return /^\d+$/.test(name) ? (value as unknown[])[Number(name)] : undefined;
  return isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined;
}

/** Braces of a template: literal ones, placeholders, and single ones, which are mistakes. */
function* tokensOf(template: string): Generator<{ token: string; path?: string; position: number }> {
  for (const match of template.matchAll(/\{\{|\}\}|\{([^{}]+)\}|[{}]/g)) {
    yield { token: match[0], path: match[1], position: match.index };
  }
}

function partsOf(template: string): Part[] {
  const parts: Part[] = [];
  let end = 0;
  for (const { token, path, position } of tokensOf(template)) {
    parts.push(template.slice(end, position), path === undefined ? token[0] : { path });
    end = position + token.length;
  }
  return [...parts, template.slice(end)];
}
