import { Draw } from "./draw";
import type { Format, Input } from "./format";
import { mutateBytes } from "./mutate";

/**
 * The input of a format with a number. Every twentieth is valid; of the others half are changed in their structure and
 * half in their bytes.
 */
export function inputOf(format: Format, seed: number, index: number): Input {
  const draw = new Draw(format.name, seed, index);
  const files = format.valid(draw);
  if (index % 20 === 0) return { files, what: "valid", isValid: true };
  if (index % 2 === 1) return { files, what: format.mutate(draw, files), isValid: false };
  return { files, what: mutateBytes(draw, files), isValid: false };
}
