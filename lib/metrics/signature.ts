/** The sacreBLEU release whose numbers and signatures the translation metrics reproduce. */
const SACREBLEU_VERSION = "2.6.0";

/** sacreBLEU's signature: `nrefs:1|case:mixed|…|version:2.6.0`. It names the release reproduced, not the program that ran. */
export function signature(referenceCount: number | "var", fields: Record<string, string | number>): string {
  const pairs = Object.entries({ nrefs: referenceCount, ...fields, version: SACREBLEU_VERSION });
  return pairs.map(([name, value]) => `${name}:${value}`).join("|");
}

/** How signatures write a setting that is on or off. */
export const yesOrNo = (on: boolean): string => (on ? "yes" : "no");
