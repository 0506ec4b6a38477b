import { createHash } from "node:crypto";
import type { Example } from "./example";

/**
 * Computes a SHA-256 digest. For one part it is the plain hash, as `sha256sum` prints it. For several parts it is the
 * hash of the concatenated hashes of the parts, so that ("ab", "c") and ("a", "bc") have different digests.
 *
 * @param parts strings (hashed as UTF-8) or bytes
 * @returns 64 lowercase hexadecimal digits
 */
export function sha256(...parts: (string | Uint8Array)[]): string {
  if (parts.length === 1) return createHash("sha256").update(parts[0]!).digest("hex");
  const list = createHash("sha256");
  for (const part of parts) list.update(createHash("sha256").update(part).digest());
  return list.digest("hex");
}

/**
 * Computes the digest of a dataset from the instruction, input and output of every row, in order. The file format and
 * any other fields do not affect it. Run ids depend on it, so it must not change between versions.
 *
 * @returns SHA-256, 64 lowercase hexadecimal digits
 */
export function examplesDigest(examples: readonly Example[]): string {
  const hash = createHash("sha256");
  for (const { instruction, input, output } of examples) {
    hash.update(JSON.stringify([instruction, input, output])).update("\n");
  }
  return hash.digest("hex");
}
