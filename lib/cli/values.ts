import { PromptlossError } from "../data/errors";

/** A call of a command that cannot be understood. */
export class UsageError extends PromptlossError {
  override name = "UsageError";
}

/** @throws {UsageError} naming the option that is missing */
export function required(values: Values, name: string): string {
  const value = values[name];
  if (value === undefined) throw new UsageError(`--${name} is missing.`);
  return value;
}

/** A number, or undefined where the option is not given. @throws {UsageError} */
export function numberOf(values: Values, name: string): number | undefined {
  const value = values[name];
  if (value === undefined) return undefined;
  if (value.trim() === "" || Number.isNaN(Number(value)))
    throw new UsageError(`--${name} ${JSON.stringify(value)} is not a number.`);
  return Number(value);
}

/** A count of at least 1, or undefined. @throws {UsageError} */
export function countOf(values: Values, name: string): number | undefined {
  const value = numberOf(values, name);
  if (value !== undefined && (!Number.isInteger(value) || value < 1))
    throw new UsageError(`--${name} ${value} is not a whole number above 0.`);
  return value;
}

/** What a command has to say: to people, and as the one JSON object of --json. */
export interface Answer {
  text: string;
  result: object;
  failed?: boolean;
}

/** Option values by name; those not given are undefined. */
export type Values = Record<string, string | undefined>;
