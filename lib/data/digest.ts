import { createHash } from "node:crypto";
import type { Example } from "./example";

/**
 * SHA-256 in hexadecimal. Of one part: its plain hash, as `sha256sum` prints it (strings as UTF-8).
 * Of several: the hash of the list of their hashes, so that ("ab", "c") and ("a", "bc") differ.
 */
export function sha256(...parts: (string | Uint8Array)[]): string {
  if (parts.length === 1) return createHash("sha256").update(parts[0]!).digest("hex");
  const list = createHash("sha256");
  for (const part of parts) list.update(createHash("sha256").update(part).digest());
  return list.digest("hex");
}

/** Digest of a dataset: the three fields of every row, in order. File format and other fields do not count. */
export function examplesDigest(examples: readonly Example[]): string {
  const hash = createHash("sha256");
  for (const { instruction, input, output } of examples) {
    hash.update(JSON.stringify([instruction, input, output])).update("\n");
  }
  return hash.digest("hex");
}
