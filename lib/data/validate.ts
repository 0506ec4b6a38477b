// Validation of everything that comes from outside (study files, hyperparameters, templates, model configs, command-line values):
// valibot schemas, whose problems are listed all at once, each with its field.
import * as v from "valibot";
import type { PromptlossError } from "./errors";

/** Text of a value in an error message: JSON, cut at 60 characters; NaN and infinities by name. */
export function shown(value: unknown): string {
  const text = typeof value === "number" ? String(value) : (JSON.stringify(value) ?? String(value));
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

/**
 * A schema of one rule.
 * @param rule completes the sentence "must be …"
 * @param test accepts a value
 */
export function rule<T>(rule: string, test: (value: unknown) => boolean): v.GenericSchema<T> {
  return v.custom<T>(test, ({ input }) => `must be ${rule}, got ${shown(input)}`);
}

/** A whole number of at least `least`. */
export const wholeNumber = (least: number): v.GenericSchema<number> =>
  rule(`a whole number of at least ${least}`, (value) => Number.isSafeInteger(value) && (value as number) >= least);

/** An integer that float64 holds exactly. */
export const integer: v.GenericSchema<number> = rule("an integer", Number.isSafeInteger);

/** A non-empty string. */
export const text: v.GenericSchema<string> = rule(
  "a non-empty text",
  (value) => typeof value === "string" && value !== "",
);

/** One of some names. */
export const oneOf = <const Name extends string>(names: readonly Name[]): v.GenericSchema<Name> =>
  rule(`one of ${names.join(", ")}`, (value) => names.includes(value as Name));

/** A list with at least one entry. */
export const listOf = <T>(entry: v.GenericSchema<unknown, T>): v.GenericSchema<unknown, T[]> =>
  v.pipe(
    rule<unknown[]>("a list with at least one entry", (value) => Array.isArray(value) && value.length > 0),
    v.array(entry),
  );

/** An object with the keys of `entries` and no others; every unknown key is a problem that lists the known ones. */
export function objectOf<const Entries extends v.ObjectEntries>(entries: Entries) {
  const known = Object.keys(entries);
  return v.pipe(
    v.looseObject(entries, (issue) =>
      issue.path ? `is missing; known keys: ${known.join(", ")}` : `must be an object, got ${shown(issue.input)}`,
    ),
    v.rawCheck(({ dataset, addIssue }) => {
      if (!isObject(dataset.value)) return;
      for (const key of Object.keys(dataset.value)) {
        if (known.includes(key)) continue;
        addIssue({ message: `unknown key; known keys: ${known.join(", ")}`, path: [pathItem(dataset.value, key)] });
      }
    }),
  );
}

/** Names that JavaScript objects treat specially, and that a schema library may drop without a word. */
const RESERVED_NAMES = ["__proto__", "prototype", "constructor"];

/** An object with at least one entry, whose keys are names that the user chose. */
export const namedEntries = <T>(entry: v.GenericSchema<unknown, T>): v.GenericSchema<unknown, Record<string, T>> =>
  v.pipe(
    rule<Record<string, unknown>>(
      "an object with at least one named entry",
      (value) => isObject(value) && Object.keys(value).length > 0,
    ),
    v.rawCheck(({ dataset, addIssue }) => {
      if (!dataset.typed) return;
      for (const name of Object.keys(dataset.value)) {
        if (!RESERVED_NAMES.includes(name)) continue;
        addIssue({ message: "cannot be used as a name; choose another", path: [pathItem(dataset.value, name)] });
      }
    }),
    v.record(v.string(), entry),
  );

/** The item of an issue's path that stands for `key` of `input`. */
export function pathItem(input: object, key: string): v.ObjectPathItem {
  const object = input as Record<string, unknown>;
  return { type: "object", origin: "value", input: object, key, value: object[key] };
}

/** Everything that is wrong with a value, as lines "field: problem"; empty for a valid one. */
export function problemsOf(schema: v.GenericSchema<unknown, unknown>, value: unknown): string[] {
  const { issues = [] } = v.safeParse(schema, value);
  return issues.map((issue) => [v.getDotPath(issue), issue.message].filter((part) => part !== null).join(": "));
}

/**
 * The value as its schema reads it, with defaults filled in.
 * @param where names the value in the error: a file, an option, a function's argument
 * @throws {ErrorClass} listing every problem by field
 */
export function validated<T>(
  schema: v.GenericSchema<unknown, T>,
  value: unknown,
  where: string,
  ErrorClass: new (message: string) => PromptlossError,
): T {
  const result = v.safeParse(schema, value);
  if (result.success) return result.output;
  const problems = problemsOf(schema, value);
  if (problems.length === 1) throw new ErrorClass(`${where}: ${problems[0]}`);
  throw new ErrorClass(`${where}: ${problems.length} problems:\n${problems.map((line) => `  - ${line}`).join("\n")}`);
}

/** Whether a value is an object with keys: not null, not an array. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A JSON value without the keys "//", which are comments. */
export function withoutComments(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutComments);
  if (!isObject(value)) return value;
  const entries = Object.entries(value).filter(([key]) => key !== "//");
  const copy: Record<string, unknown> = {};
  // defineProperty, because assigning "__proto__" would set the prototype
  for (const [key, inner] of entries) {
    Object.defineProperty(copy, key, {
      value: withoutComments(inner),
      enumerable: true,
      writable: true,
      configurable: true,
    });
  }
  return copy;
}
