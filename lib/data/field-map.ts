import * as v from "valibot";
import { objectOf, text } from "./validate";

/** Names of the fields in a file whose rows are not named as in Alpaca's format: for example `{ output: "response" }`. */
export interface FieldMap {
  instruction?: string;
  input?: string;
  output?: string;
}

/** Schema of a {@link FieldMap}. */
export const fieldsSchema: v.GenericSchema<unknown, FieldMap> = objectOf({
  instruction: v.optional(text),
  input: v.optional(text),
  output: v.optional(text),
});
