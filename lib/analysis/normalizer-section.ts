import type { Study } from "../sweep/study";

/**
 * Tells whether a study can compare normalizers.
 *
 * @returns how to get a comparison, as one line, if the study has a single normalizer; empty if it has several
 */
export function normalizersMissing({ name, normalizers }: Pick<Study, "name" | "normalizers">): string {
  if (normalizers.length > 1) return "";
  return (
    `Study ${name} has one normalizer (${normalizers.join("")}), so there is nothing to compare. Add ` +
    '"normalizers": ["weights", "tokens", "completion", "sequence"] to its file, or open the study that compares ' +
    "them: npm start -- --study studies/normalizers.json."
  );
}
