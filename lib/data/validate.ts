// Validation of all external input (study files, hyperparameters, templates, model configs, command-line values) with
// valibot schemas. An error lists all problems at once, each with its field.
import * as v from "valibot";
import { duplicatesOf } from "./group";
import type { PromptlossError } from "./errors";
import { abridged, illFormedField } from "./well-formed";

/**
 * Formats a value for an error message: as JSON, cut after 60 characters; NaN, infinities and what JSON cannot hold by
 * name.
 */
export function shown(value: unknown): string {
  return abridged(inWords(value), 60);
}

function inWords(value: unknown): string {
  if (typeof value === "function") return "a function";
  if (typeof value === "number" || typeof value === "bigint" || typeof value === "symbol") return String(value);
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return "an object that JSON cannot hold";
  }
}

/**
 * Creates a schema that checks a value with one test.
 *
 * @param requirement completes the message "must be …"
 * @param test returns true for valid values
 */
export function rule<T>(requirement: string, test: (value: unknown) => boolean): v.GenericSchema<T> {
  return v.custom<T>(test, ({ input }) => `must be ${requirement}, got ${shown(input)}`);
}

/** The largest number of float32, and the smallest above 0. */
const FLOAT32 = { largest: 2 ** 128 - 2 ** 104, smallest: 2 ** -149 };

/** Check that a finite number stays finite in float32, in which TensorFlow computes, and above 0 if it is. */
export const fitsFloat32 = <T extends number | null>() =>
  v.check<T, v.ErrorMessage<v.CheckIssue<T>>>(
    (value) => value === null || value === 0 || (Number.isFinite(Math.fround(value)) && Math.fround(value) !== 0),
    ({ input }) =>
      `must fit into float32, in which TensorFlow computes: 0, or from ${FLOAT32.smallest.toPrecision(2)} ` +
      `to ${FLOAT32.largest.toPrecision(2)}; got ${input}`,
  );

/** Schema of an integer of at least `least` that float64 represents exactly. */
export const wholeNumber = (least: number): v.GenericSchema<number> =>
  rule(`a whole number of at least ${least}`, (value) => Number.isSafeInteger(value) && (value as number) >= least);

/** Largest number of threads that one process may ask TensorFlow for; it starts all of them at once. */
export const MOST_THREADS = 1024;

/** Schema of a number of threads. */
export const threadCount: v.GenericSchema<number> = rule(
  `a whole number from 1 to ${MOST_THREADS}`,
  (value) => Number.isInteger(value) && (value as number) >= 1 && (value as number) <= MOST_THREADS,
);

/** Schema of an integer that float64 represents exactly. */
export const integer: v.GenericSchema<number> = rule("an integer", Number.isSafeInteger);

/** Schema of a non-empty string. */
export const text: v.GenericSchema<string> = rule(
  "a non-empty text",
  (value) => typeof value === "string" && value !== "",
);

/** Schema of a string that is one of the given names. */
export const oneOf = <const Name extends string>(names: readonly Name[]): v.GenericSchema<Name> =>
  rule(`one of ${names.join(", ")}`, (value) => names.includes(value as Name));

/** Schema of a non-empty array. */
export const listOf = <T>(entry: v.GenericSchema<unknown, T>): v.GenericSchema<unknown, T[]> =>
  v.pipe(
    rule<unknown[]>("a list with at least one entry", (value) => Array.isArray(value) && value.length > 0),
    v.array(entry),
  );

/** Schema of a non-empty array of values that differ: one that is there twice would count twice. */
export const listOfDifferent = <T extends string | number>(
  entry: v.GenericSchema<unknown, T>,
): v.GenericSchema<unknown, T[]> =>
  v.pipe(
    listOf(entry),
    v.check(
      (values) => duplicatesOf(values).length === 0,
      ({ input }) => `names ${duplicatesOf(input).join(", ")} more than once`,
    ),
  );

/**
 * Schema of an object with exactly the keys of `entries`. Every unknown key is reported with the known keys.
 *
 * @param entries schema of each key
 */
export function objectOf<const Entries extends v.ObjectEntries>(entries: Entries) {
  const known = Object.keys(entries);
  // The given object is checked, not the schema's output, which lacks keys such as "__proto__" and "toString".
  return v.lazy((given) =>
    v.pipe(
      rule<Record<string, unknown>>("an object", (value) => !Array.isArray(value)),
      v.looseObject(entries, (issue) =>
        issue.path ? `is missing; known keys: ${known.join(", ")}` : `must be an object, got ${shown(issue.input)}`,
      ),
      v.rawCheck(({ addIssue }) => {
        if (!isObject(given)) return;
        for (const key of Object.keys(given)) {
          if (known.includes(key)) continue;
          addIssue({ message: `unknown key; known keys: ${known.join(", ")}`, path: [pathItem(given, key)] });
        }
      }),
    ),
  );
}

/** What every object has, and names with a special meaning, which a schema library may drop silently. */
const RESERVED_NAMES = [...Object.getOwnPropertyNames(Object.prototype), "prototype"];

/** What is wrong with a user-defined name, which also becomes a part of headings and of paths. */
function nameProblem(name: string): string | undefined {
  if (RESERVED_NAMES.includes(name)) return "cannot be used as a name; choose another";
  if (name.trim() === "" || name.length > 100) return "a name must have 1 to 100 characters, and not only spaces";
  if (/[\p{Cc}\p{Zl}\p{Zp}\p{Cs}]/u.test(name)) return "a name must not have line breaks or other control characters";
  return name.split(/[/\\]/).some((part) => part === "." || part === "..")
    ? 'a name must not lead to another folder, as "." and ".." do between slashes'
    : undefined;
}

/** Schema of a non-empty object whose keys are user-defined names. */
export const namedEntries = <T>(entry: v.GenericSchema<unknown, T>): v.GenericSchema<unknown, Record<string, T>> =>
  v.pipe(
    rule<Record<string, unknown>>(
      "an object with at least one named entry",
      (value) => isObject(value) && Object.keys(value).length > 0,
    ),
    v.rawCheck(({ dataset, addIssue }) => {
      if (!dataset.typed) return;
      for (const name of Object.keys(dataset.value)) {
        const message = nameProblem(name);
        if (message !== undefined) addIssue({ message, path: [pathItem(dataset.value, name)] });
      }
    }),
    v.record(v.string(), entry),
  );

/** Returns the path item of a valibot issue for the property `key` of `input`. */
export function pathItem(input: object, key: string): v.ObjectPathItem {
  const object = input as Record<string, unknown>;
  return { type: "object", origin: "value", input: object, key, value: object[key] };
}

/** Maximum number of problems that an error message lists, and of UTF-16 code units of each. */
const MAX_LISTED = 50;
const MAX_PROBLEM = 2000;

/**
 * Validates a value and returns the output of its schema, with defaults filled in.
 *
 * @param where origin of the value for the error message: a file, an option or a function argument
 * @param ErrorClass class of the error to throw
 * @throws {ErrorClass} if the value is invalid; lists the first 50 problems, each with its field
 */
export function validated<T>(
  schema: v.GenericSchema<unknown, T>,
  value: unknown,
  where: string,
  ErrorClass: new (message: string) => PromptlossError,
): T {
  const illFormed = illFormedField(value, "");
  if (illFormed) {
    const field = abridged(illFormed.field, MAX_PROBLEM);
    throw new ErrorClass([where, field, illFormed.problem].filter(Boolean).join(": "));
  }
  const result = v.safeParse(schema, value);
  if (result.success) return result.output;
  const problems = result.issues.map((issue) => {
    const field = v.getDotPath(issue);
    return abridged(field === null ? issue.message : `${field}: ${issue.message}`, MAX_PROBLEM);
  });
  if (problems.length === 1) throw new ErrorClass(`${where}: ${problems[0]}`);
  const listed = problems.slice(0, MAX_LISTED).map((line) => `  - ${line}`);
  if (problems.length > MAX_LISTED) listed.push(`  … and ${problems.length - MAX_LISTED} more`);
  throw new ErrorClass(`${where}: ${problems.length} problems:\n${listed.join("\n")}`);
}

/** Returns true if a value is an object other than null or an array. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Returns a copy of a JSON value without the keys "//", which hold comments. */
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
