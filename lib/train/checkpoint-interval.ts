import type * as v from "valibot";
import { isObject, rule } from "../data/validate";
import type { CheckpointInterval } from "./checkpoint";

/** Schema of a {@link CheckpointInterval}. */
export const checkpointIntervalSchema: v.GenericSchema<CheckpointInterval> = rule(
  "{ steps: a whole number of at least 1 } or { seconds: a number of at least 0 }",
  (value) => {
    if (!isObject(value) || Object.keys(value).length !== 1) return false;
    const { steps, seconds } = value;
    if (steps !== undefined) return Number.isSafeInteger(steps) && (steps as number) >= 1;
    return typeof seconds === "number" && seconds >= 0;
  },
);
