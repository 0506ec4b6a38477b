/**
 * The options given, and the defaults of the others.
 *
 * @throws TypeError for a name that is no option: a misspelt one would give a number under settings nobody asked for
 */
export function withDefaults<T extends object>(metric: string, options: Partial<T>, defaults: T): T {
  const unknown = Object.keys(options).filter((name) => !Object.hasOwn(defaults, name));
  if (unknown.length > 0) {
    throw new TypeError(
      `${metric}: unknown option ${unknown.join(", ")}; there are ${Object.keys(defaults).join(", ")}`,
    );
  }
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  return { ...defaults, ...(Object.fromEntries(given) as Partial<T>) };
}

/** @throws RangeError unless `value` is an integer of at least `least` */
export function checkOrder(metric: string, name: string, value: number, least: number): void {
  if (!Number.isInteger(value) || value < least) {
    throw new RangeError(`${metric}: ${name} is ${value}; it must be an integer of at least ${least}`);
  }
}
