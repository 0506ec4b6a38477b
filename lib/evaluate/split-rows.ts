import { createReadStream, existsSync, readdirSync } from "node:fs";
import { createHash } from "node:crypto";
import { dirname, basename, join } from "node:path";
import { DataError } from "../data/errors";
import { readRowValues } from "../data/read-rows";

/** Rows of a benchmark split, unchecked. */
export interface Rows {
  /** path of the file, or of the first shard */
  file: string;
  rows: unknown[];
  /** SHA-256 of the bytes of all files, in order */
  digest: string;
}

/**
 * Reads a split from `<path>.jsonl`, `<path>.json`, `<path>.parquet`, one of these compressed with gzip (`.gz`), or
 * Hugging Face's shards `<path>-00000-of-00002.parquet`. What the files may hold is documented at `readRows` of
 * `lib/data/read-rows.ts`.
 * @param candidates paths with or without extension; the first that exists is read
 * @throws {DataError} naming the candidates if none exists, or the file (and line) that cannot be read
 */
export async function readRows(candidates: readonly string[]): Promise<Rows> {
  for (const candidate of candidates) {
    const files = splitFiles(candidate);
    if (files.length === 0) continue;
    const rows: unknown[] = [];
    const hash = createHash("sha256");
    for (const file of files) {
      for (const row of readRowValues(file)) rows.push(row); // first: it explains what cannot be read
      for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
    }
    if (rows.length === 0) throw new DataError(`${files[0]}: the file has no rows. Download the split again.`);
    return { file: files[0], rows, digest: hash.digest("hex") };
  }
  if (candidates.every(hasExtension)) {
    throw new DataError(
      `No benchmark data: ${candidates.join(" or ")} does not exist. Put the file there, or change the path.`,
    );
  }
  throw new DataError(
    `No benchmark data: looked for ${candidates.map((path) => `${path}.jsonl`).join(", ")} ` +
      "(or .json, .parquet, also with .gz). Download the split with its Hugging Face fields and save it there, or set another dataDir.",
  );
}

const hasExtension = (path: string): boolean => /\.(jsonl?|parquet)(\.gz)?$/i.test(path);

function splitFiles(path: string): string[] {
  if (hasExtension(path) && existsSync(path)) return [path];
  for (const extension of [".jsonl", ".json", ".parquet", ".jsonl.gz", ".json.gz", ".parquet.gz"])
    if (existsSync(path + extension)) return [path + extension];
  const folder = dirname(path);
  if (!existsSync(folder)) return [];
  const shards = readdirSync(folder)
    .filter((name) => name.startsWith(`${basename(path)}-`) && /-\d{5}-of-\d{5}\.parquet$/.test(name))
    .sort();
  const expected = Number(shards[0]?.match(/-of-(\d{5})\.parquet$/)?.[1] ?? 0);
  if (shards.length !== expected)
    throw new DataError(
      `${join(folder, shards[0])}: the split is incomplete, ${shards.length} of ${expected} shards were found. ` +
        "Download the missing shards.",
    );
  return shards.map((name) => join(folder, name));
}
