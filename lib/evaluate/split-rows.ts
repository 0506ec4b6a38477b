import { createReadStream, existsSync, readdirSync } from "node:fs";
import { createHash } from "node:crypto";
import { dirname, basename, join } from "node:path";
import { gunzipSync } from "node:zlib";
import { DataError } from "../data/errors";
import { parseJson, readText } from "../data/read-json";

/** Rows of a benchmark split, unchecked. */
export interface Rows {
  /** path of the file, or of the first shard */
  file: string;
  rows: unknown[];
  /** SHA-256 of the bytes of all files, in order */
  digest: string;
}

/**
 * Reads a split from `<path>.jsonl`, `<path>.json` (an array), `<path>.parquet`, or Hugging Face's shards
 * `<path>-00000-of-00002.parquet`.
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
      for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
      for (const row of await readFile(file)) rows.push(row);
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
    `No benchmark data: looked for ${candidates.map((path) => `${path}.jsonl`).join(", ")} (or .json, .parquet). ` +
      "Download the split with its Hugging Face fields and save it there, or set another dataDir.",
  );
}

const hasExtension = (path: string): boolean => /\.(jsonl?|parquet)$/.test(path);

function splitFiles(path: string): string[] {
  if (hasExtension(path) && existsSync(path)) return [path];
  for (const extension of [".jsonl", ".json", ".parquet"]) if (existsSync(path + extension)) return [path + extension];
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

async function readFile(file: string): Promise<unknown[]> {
  if (file.endsWith(".parquet")) return readParquet(file);
  const text = readText(file);
  if (file.endsWith(".json")) {
    const rows = parseJson(text, file);
    if (!Array.isArray(rows)) throw new DataError(`${file}: the file must contain a JSON array of rows.`);
    return rows;
  }
  // Only \n ends a line: U+2028 and similar characters are text.
  return text.split("\n").flatMap((line, i) => (line.trim() === "" ? [] : [parseJson(line, `${file}, line ${i + 1}`)]));
}

async function readParquet(file: string): Promise<unknown[]> {
  // Imported only if a Parquet file is read.
  const { asyncBufferFromFile, parquetReadObjects } = await import("hyparquet");
  try {
    const rows = await parquetReadObjects({
      file: await asyncBufferFromFile(file),
      compressors: { GZIP: (bytes: Uint8Array) => gunzipSync(bytes) },
    });
    return rows.map(bigIntsToNumbers);
  } catch (error) {
    throw new DataError(
      `${file}: cannot read this Parquet file (${(error as Error).message}). Export the split as .jsonl instead.`,
    );
  }
}

/** Converts Parquet's 64-bit integers to numbers, recursively. */
function bigIntsToNumbers(value: unknown): unknown {
  if (typeof value === "bigint") return Number(value);
  if (Array.isArray(value)) return value.map(bigIntsToNumbers);
  if (typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype) {
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, bigIntsToNumbers(inner)]));
  }
  return value;
}
