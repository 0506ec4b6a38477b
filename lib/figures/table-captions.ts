// Caption sentences that several tables share.
import type { Assessment, Trust } from "../analysis/assessment";

/**
 * Explains the arms of a table.
 *
 * @param arms name of each row's arm
 * @returns a sentence after a space; empty if there is a single arm
 */
export function severalArmsInWords(arms: readonly (string | undefined)[]): string {
  if (!arms.some(Boolean)) return "";
  return " Arms are combinations of normalizer, weights other than the PLW, and variant (set of hyperparameters); no number combines several arms.";
}

/**
 * Names the results that are not to be trusted, with the reasons.
 *
 * @param results with their names in the table
 * @param level what is thought of the named results
 * @returns a sentence after a space, for example " Not to be trusted: MC (only 3 PLWs)."; empty if there are none
 */
export function doubtsInWords(
  results: readonly (Assessment & { name: string })[],
  level: Exclude<Trust, "trustworthy"> = "not to be trusted",
): string {
  const doubted = results.filter(({ trust }) => trust === level);
  if (doubted.length === 0) return "";
  const start = level === "with care" ? "To be read with care" : "Not to be trusted";
  return ` ${start}: ${doubted.map(({ name, reasons }) => `${name} (${reasons.join("; ")})`).join(", ")}.`;
}
