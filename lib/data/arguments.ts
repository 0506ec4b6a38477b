// Checks of what a caller passes to a public function: an object of options, and rows. Types are not enough, since a cell
// of a notebook runs without type checking: an unknown option would be ignored, and a row without a field would be read
// as NaN or as the text "undefined".
import * as v from "valibot";
import { DataError, type PromptlossError } from "./errors";
import { describeValue } from "./read-json";
import { isObject, objectOf, rule, shown, text, validated, wholeNumber } from "./validate";

/** A schema for every option, so that the compiler finds one that is forgotten. */
export type OptionSchemas<Options> = { [Name in keyof Required<Options>]: v.GenericSchema };

/** Constructor of one of this project's errors. */
type ErrorType = new (message: string) => PromptlossError;

/**
 * Checks the options of a function. An option may be absent or undefined, unless `needed` names it.
 *
 * @param where name of the function, which begins the error message
 * @param schemas what each option must be
 * @returns the options
 * @throws {DataError} or `ErrorClass`, listing unknown options with the known ones, and invalid values
 */
export function checkOptions<Options extends object>(
  where: string,
  options: Options,
  schemas: OptionSchemas<Options>,
  { needed = [], ErrorClass = DataError }: { needed?: readonly (keyof Options)[]; ErrorClass?: ErrorType } = {},
): Options {
  const entries = Object.entries<v.GenericSchema>(schemas).map(([name, schema]) => [
    name,
    needed.includes(name as keyof Options) ? schema : v.optional(schema),
  ]);
  validated(objectOf(Object.fromEntries(entries) as v.ObjectEntries), options, `${where}: options`, ErrorClass);
  return options;
}

/** What fields of rows must be; fields that are not named are not checked. */
export type FieldSchemas<T> = { readonly [Name in keyof T]?: v.GenericSchema };

/** Maximum number of faults that an error message lists. */
const MAX_LISTED_FAULTS = 20;

/**
 * Checks that rows have the fields that are read.
 *
 * @param where name of the function, which begins the error message
 * @param schemas what each field must be
 * @returns the rows
 * @throws {DataError} naming row and field
 */
export function checkRows<T extends object>(where: string, rows: readonly T[], schemas: FieldSchemas<T>): readonly T[] {
  if (!Array.isArray(rows)) throw new DataError(`${where}: the rows are ${describeValue(rows)}, not an array`);
  const entries = Object.entries(schemas) as [string, v.GenericSchema][];
  const faults = rows.flatMap((row: unknown, index) =>
    faultsOf(row, entries).map((fault) => `row ${index + 1} (index ${index})${fault}`),
  );
  if (faults.length === 0) return rows;
  const more = faults.length - MAX_LISTED_FAULTS;
  const listed = faults.slice(0, MAX_LISTED_FAULTS).map((fault) => `  ${fault}`);
  if (more > 0) listed.push(`  … and ${more} more faults`);
  throw new DataError(`${where}: ${faults.length === 1 ? faults[0] : `rows cannot be used:\n${listed.join("\n")}`}`);
}

function faultsOf(row: unknown, schemas: readonly [string, v.GenericSchema][]): string[] {
  if (typeof row !== "object" || row === null || Array.isArray(row))
    return [` is ${describeValue(row)}, not an object`];
  return schemas.flatMap(([name, schema]) => {
    const result = v.safeParse(schema, (row as Record<string, unknown>)[name]);
    return result.success ? [] : [`: field "${name}" ${result.issues[0].message}`];
  });
}

/**
 * Checks a value that is neither options nor rows.
 * @param where name of the function, which begins the error message
 * @throws {DataError} or `ErrorClass`
 */
export function checkValue<T>(where: string, value: T, schema: v.GenericSchema, ErrorClass: ErrorType = DataError): T {
  validated(schema, value, where, ErrorClass);
  return value;
}

// ---------------------------------------------------------------- what options and fields are

/** A number, NaN and infinity included: what is drawn or fitted is checked for them where that is done. */
export const aNumber: v.GenericSchema = rule("a number", (value) => typeof value === "number");
export const finite: v.GenericSchema = rule("a finite number", Number.isFinite);
export const numberOrNull: v.GenericSchema = rule(
  "a number, or null",
  (value) => value === null || typeof value === "number",
);
export const aText: v.GenericSchema = rule("a text", (value) => typeof value === "string");
export const textOrNull: v.GenericSchema = rule(
  "a text, or null",
  (value) => value === null || typeof value === "string",
);
export const flag: v.GenericSchema = rule("true or false", (value) => typeof value === "boolean");
export const aFunction: v.GenericSchema = rule("a function", (value) => typeof value === "function");
export const anObject: v.GenericSchema = rule("an object", isObject);
export const aList: v.GenericSchema = rule("a list", Array.isArray);
export const texts: v.GenericSchema = rule(
  "a list of texts",
  (value) => Array.isArray(value) && value.every((entry) => typeof entry === "string"),
);
export const numbers: v.GenericSchema = rule(
  "a list of numbers",
  (value) => Array.isArray(value) && value.every((entry) => typeof entry === "number"),
);
/** Not `instanceof`: a notebook's signal may come from another realm. */
export const abortSignal: v.GenericSchema = rule(
  "an AbortSignal",
  (value) => isObject(value) && typeof value.aborted === "boolean",
);
/** An object with the methods of a tokenizer. */
export const tokenizerSchema: v.GenericSchema = rule(
  "a tokenizer, as loadTokenizer returns",
  (value) => isObject(value) && typeof value.encode === "function" && typeof value.eosToken === "string",
);
/** A name or a path. */
export const aName = text;
/** A number of things. */
export const count = wholeNumber(1);

/** An optional field of a row. */
export const maybe = (schema: v.GenericSchema): v.GenericSchema => v.optional(schema);

/**
 * Checks that an argument is a tokenizer.
 * @throws {DataError} naming the function
 */
export function checkTokenizer<T>(where: string, tokenizer: T): T {
  const result = v.safeParse(tokenizerSchema, tokenizer);
  if (!result.success)
    throw new DataError(`${where}: the tokenizer must be one that loadTokenizer returns, got ${shown(tokenizer)}`);
  return tokenizer;
}
