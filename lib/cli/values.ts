import { realpathSync } from "node:fs";
import { resolve } from "node:path";
import type * as v from "valibot";
import { PromptlossError } from "../data/errors";
import { repositoryRoot } from "../data/repository";
import { partWeightsSchema } from "../data/loss-weighting";
import type { PartWeights } from "../data/part-weights";
import { plwSchema } from "../data/prompt-loss-weight";
import { oneOf, shown, validated, wholeNumber } from "../data/validate";

/** Option values by name, as given on the command line; undefined where an option is not given. */
export type Values = Record<string, string | undefined>;

/** The result of a command: text for people, and the one JSON object of --json. */
export interface Answer {
  text: string;
  result: object;
  failed?: boolean;
}

/** A command line that cannot be carried out: an unknown command or option, or a value out of range. */
export class UsageError extends PromptlossError {
  override name = "UsageError";
}

/**
 * The value of an option that must be given.
 * @throws {UsageError} naming the option
 */
export function required(values: Values, name: string): string {
  const value = values[name];
  if (value === undefined) throw new UsageError(`--${name}: missing; this command needs it.`);
  return value;
}

/**
 * An absolute path, or undefined where the option is not given. A relative path counts from where the caller stands,
 * unlike one in a study file or an environment variable, which counts from the repository's root.
 * @throws {UsageError} for an empty text
 */
export function pathOf(values: Values, name: string): string | undefined {
  const value = values[name];
  if (value === "") throw new UsageError(`--${name}: must be a path, got ${shown(value)}`);
  return value === undefined ? undefined : resolve(callersFolder(), value);
}

/** A program: a path from the caller's folder, or a name without a slash, which the system looks up in PATH. */
export function programOf(values: Values, name: string): string | undefined {
  const path = pathOf(values, name);
  const value = values[name];
  return value === undefined || value.includes("/") ? path : value;
}

/**
 * Like {@link pathOf}, for an option that must be given.
 * @throws {UsageError} naming the option
 */
export const requiredPath = (values: Values, name: string): string => pathOf({ [name]: required(values, name) }, name)!;

/**
 * Where the caller stands. npm runs a script in the repository's root and names the folder it was called from in
 * INIT_CWD, which every process below inherits; so in any other folder, INIT_CWD is not about this command.
 */
function callersFolder(): string {
  const { INIT_CWD: folder } = process.env;
  return folder && realpathSync(process.cwd()) === realpathSync(repositoryRoot()) ? folder : process.cwd();
}

/** A decimal number: Number() would also read "", " ", "0x10" and "Infinity". */
const DECIMAL = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/**
 * A number, or undefined where the option is not given.
 * @param schema what the number must be besides; default: any number
 * @throws {UsageError} for a text that is not a number (an empty one is not), and for one that the schema refuses
 */
export function numberOf(values: Values, name: string, schema?: v.GenericSchema<number>): number | undefined {
  const value = values[name];
  if (value === undefined) return undefined;
  const number = DECIMAL.test(value) ? Number(value) : NaN;
  if (Number.isNaN(number)) throw new UsageError(`--${name}: must be a number, got ${shown(value)}`);
  return schema ? validated(schema, number, `--${name}`, UsageError) : number;
}

/** A whole number of at least 1, or undefined where the option is not given. @throws {UsageError} */
export const countOf = (values: Values, name: string): number | undefined => numberOf(values, name, wholeNumber(1));

/** One of some names, or undefined where the option is not given. @throws {UsageError} listing the names */
export function nameOf<const Name extends string>(
  values: Values,
  name: string,
  names: readonly Name[],
): Name | undefined {
  const value = values[name];
  return value === undefined ? undefined : validated(oneOf(names), value, `--${name}`, UsageError);
}

/**
 * The weights of parts in `--part-weight`, such as "thinking=0.8,end=0.5"; undefined where it is not given.
 * @throws {UsageError} for another form, an unknown part, a part that comes twice and a weight that is not one
 */
export function partWeightsOf({ "part-weight": given }: Values): PartWeights | undefined {
  if (given === undefined) return undefined;
  const weights: Record<string, number> = {};
  for (const entry of given.split(",")) {
    const [part, weight, ...more] = entry.split("=");
    if (weight === undefined || more.length > 0 || Object.hasOwn(weights, part))
      throw new UsageError(`--part-weight: must be part=w,… with each part once, got ${shown(given)}`);
    Object.defineProperty(weights, part, {
      value: numberOf({ "part-weight": weight }, "part-weight", plwSchema),
      enumerable: true,
    });
  }
  return validated(partWeightsSchema, weights, "--part-weight", UsageError);
}
