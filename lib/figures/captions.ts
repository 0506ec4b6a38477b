// Phrases that several figure captions share.
import { distinct } from "../data/group";

/** Description of the horizontal axis of `plwAxis`, a sentence without its period. */
export const PLW_AXIS_IN_WORDS = "Horizontal axis: PLW to the power 0.30103, tick labels show PLW";

/** The factors that identify one run. */
interface RunFactors {
  dataset: string;
  model: string;
  normalizer: string;
  seed: number;
  plw: number;
}

/**
 * Counts the distinct runs among rows.
 *
 * @returns for example "60 runs"
 */
export function runsInWords(rows: readonly RunFactors[]): string {
  const runs = distinct(
    rows.map(({ dataset, model, normalizer, seed, plw }) => JSON.stringify([dataset, model, normalizer, seed, plw])),
  );
  return `${runs.length} ${runs.length === 1 ? "run" : "runs"}`;
}

/**
 * Lists the normalizers of rows.
 *
 * @returns for example `normalizer "tokens"`, or `normalizers "tokens", "weights"` in order of first appearance
 */
export function normalizersInWords(rows: readonly { normalizer: string }[]): string {
  const names = distinct(rows.map(({ normalizer }) => `"${normalizer}"`));
  return `${names.length > 1 ? "normalizers" : "normalizer"} ${names.join(", ")}`;
}
