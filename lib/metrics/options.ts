import { DataError } from "../data/errors";
import { isObject, shown } from "../data/validate";

/**
 * Fills in the defaults of all options that are missing or undefined. Unknown names are rejected, since a misspelled
 * option would otherwise be ignored and give a score under the wrong settings.
 *
 * @param metric name of the calling function, which starts the error message
 * @param defaults default of every known option
 * @throws {DataError} if an option is unknown; lists the known options
 */
export function withDefaults<T extends object>(metric: string, options: Partial<T>, defaults: T): T {
  if (!isObject(options)) throw new DataError(`${metric}: the options are ${shown(options)}, not an object`);
  const unknown = Object.keys(options).filter((name) => !Object.hasOwn(defaults, name));
  if (unknown.length > 0) {
    throw new DataError(
      `${metric}: unknown option ${unknown.join(", ")}; the options are ${Object.keys(defaults).join(", ")}`,
    );
  }
  const defined = Object.entries(options).filter(([, value]) => value !== undefined);
  for (const [name, value] of defined) {
    const wanted = typeof defaults[name as keyof T];
    if (wanted !== "undefined" && typeof value !== wanted)
      throw new DataError(`${metric}: ${name} is ${shown(value)}; it must be a ${wanted}`);
  }
  return { ...defaults, ...(Object.fromEntries(defined) as Partial<T>) };
}

/**
 * Checks that an option is an integer with a lower limit.
 *
 * @param metric name of the calling function, which starts the error message
 * @param name name of the option
 * @param least lower limit, inclusive
 * @throws {DataError} if `value` is not an integer of at least `least`
 */
export function checkOrder(metric: string, name: string, value: number, least: number): void {
  if (!Number.isInteger(value) || value < least) {
    throw new DataError(`${metric}: ${name} is ${value}; it must be an integer of at least ${least}`);
  }
}
