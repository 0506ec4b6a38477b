// Schemas of single values in config.json.
import * as v from "valibot";
import { rule, shown } from "../data/validate";

/** Whether a key has a value. */
const isSet = (value: unknown) => value !== undefined && value !== null;

/** A size of a model. More than 2²⁴ is a mistake. */
export const positiveCount = rule<number>(
  "a whole number from 1 to 16777216",
  (value) => Number.isSafeInteger(value) && (value as number) >= 1 && (value as number) <= 2 ** 24,
);

export const truth = rule<boolean>("true or false", (value) => typeof value === "boolean");

export const positive = rule<number>(
  "a finite number above 0",
  (value) => typeof value === "number" && Number.isFinite(value) && value > 0,
);

/** A setting with one implemented value; absent and null mean that value. */
export const only = (implemented: string | number | boolean | null) =>
  v.optional(
    v.custom<unknown>(
      (value) => value === implemented || !isSet(value),
      ({ input }) => `${shown(input)} is not implemented; implemented: ${shown(implemented)}`,
    ),
  );
