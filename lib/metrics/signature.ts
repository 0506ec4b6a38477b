/** The sacreBLEU release whose numbers and signatures the translation metrics reproduce. */
const SACREBLEU_VERSION = "2.6.0";

/**
 * Formats a sacreBLEU signature, such as `nrefs:1|case:mixed|…|version:2.6.0`. The version is the sacreBLEU release
 * whose results are reproduced; sacreBLEU itself is not run.
 *
 * @param referenceCount number of references per segment; "var" if it differs between segments
 * @param fields settings in signature order
 */
export function signature(referenceCount: number | "var", fields: Record<string, string | number>): string {
  const pairs = Object.entries({ nrefs: referenceCount, ...fields, version: SACREBLEU_VERSION });
  return pairs.map(([name, value]) => `${name}:${value}`).join("|");
}

/** Formats a boolean setting as signatures do: "yes" or "no". */
export const yesOrNo = (on: boolean): string => (on ? "yes" : "no");
