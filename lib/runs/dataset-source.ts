import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { sha256 } from "../data/digest";
import { DataError } from "../data/errors";
import { readExamples, type Example } from "../data/example";
import type { FieldMap } from "../data/field-map";
import { seededRandom, shuffled } from "../data/random";
import { areConversations, characterCount, checkDataRows, onlyExamples, rowsDigest, type Row } from "../data/rows";
import { loadTokenizer } from "../data/tokenizer";
import { invertLongCompletions, toGenerationRatio } from "../data/transforms";
import { shown } from "../data/validate";
import { fileDigest, tokenizerDigest, type DigestCache } from "./digests";
import { makeFolder, writeFileAtomic } from "./files";

/**
 * Where a dataset's rows come from: a file, rows in memory, or a transform of another source. Paths are absolute.
 * `fields` names the fields of the file's rows, where they are not those of Alpaca's format; `rows` (at least 1) takes
 * that many of them, drawn by a shuffle with seed 42, in the order of the file. `tokenizer` is the directory of the
 * tokenizer that the transform counts tokens with.
 */
export type DatasetSource =
  | { path: string; fields?: FieldMap; rows?: number }
  | { examples: Row[] }
  | { from: DatasetSource; transform: "invertLongCompletions"; tokenizer: string }
  | { from: DatasetSource; transform: "toGenerationRatio"; target: number; seed: number; tokenizer: string };

/** A dataset source saved as a file, with its digest and size. */
export interface ResolvedDataset {
  /** file that holds the rows, readable by other processes */
  file: string;
  /** digest of the rows, see {@link rowsDigest} */
  digest: string;
  /** present and true if the rows are conversations */
  conversations?: true;
  rows: number;
  /** total characters (UTF-16 code units) in all texts of all rows; used to estimate training time */
  characters: number;
}

/** Incremented when a transform produces different rows from the same input. */
const TRANSFORM_FORMAT = 1;

/**
 * Reads, and where necessary transforms, the rows of a source in Alpaca's format.
 * @throws {DataError} listing every invalid row, or if the rows are conversations
 */
export function sourceExamples(source: DatasetSource): Example[] {
  const name = "path" in source ? source.path : "from" in source ? source.transform : "examples";
  return onlyExamples(name, sourceRows(source));
}

/**
 * Reads, and where necessary transforms, the rows of a source.
 * @throws {DataError} listing every invalid row, or for a transform of conversations
 */
export function sourceRows(source: DatasetSource): Row[] {
  if ("path" in source) {
    const examples = readExamples<Row>(source.path, { fields: source.fields });
    return source.rows === undefined ? examples : sampled(examples, source.rows, source.path);
  }
  if ("examples" in source) return checkDataRows(source.examples, "examples");
  const examples = onlyExamples(source.transform, sourceRows(source.from));
  const tokenizer = loadTokenizer(source.tokenizer);
  return source.transform === "invertLongCompletions"
    ? invertLongCompletions(examples, tokenizer)
    : toGenerationRatio(examples, source.target, tokenizer, { seed: source.seed });
}

/** Seed of the rows that are drawn from a file; the same for all data sets, so that equal files give equal rows. */
const SAMPLE_SEED = 42;

/** Draws rows without replacement, and returns them in the order of the file. */
function sampled<T extends Row>(examples: readonly T[], rows: number, path: string): T[] {
  if (!Number.isSafeInteger(rows) || rows < 1) {
    throw new DataError(`${path}: rows is ${shown(rows)}; it must be a whole number of at least 1`);
  }
  if (rows > examples.length) {
    throw new DataError(`${path}: ${rows} rows are wanted, but the file has ${examples.length}; ask for fewer`);
  }
  const order = shuffled(
    examples.map((_, row) => row),
    seededRandom("rows of a data set", SAMPLE_SEED),
  );
  const drawn = new Set(order.slice(0, rows));
  return examples.filter((_, row) => drawn.has(row));
}

/**
 * Computes the digest and size of a source and makes sure that a file of JSON in Alpaca's format holds its rows. Rows
 * that were transformed, drawn, read under other names, from Parquet or from a compressed file, or passed in memory, are
 * saved in the store's `.datasets` folder. Unchanged sources are neither read nor transformed again.
 * @param store the run store's folder
 * @throws {DataError} listing every invalid row
 * @throws {StoreError} if the rows cannot be saved
 */
export function resolveDataset(source: DatasetSource, store: string, cache: DigestCache): ResolvedDataset {
  if (isPlainFile(source)) {
    // readExamples reports a missing file
    const summary = existsSync(source.path)
      ? cache.of("data", [source.path], () => summarize(readExamples<Row>(source.path)))
      : summarize(readExamples<Row>(source.path));
    return { file: source.path, ...summary };
  }
  const key = sourceKey(source, store, cache);
  const file = join(store, ".datasets", `${key.slice(0, 16)}.json`);
  const save = () => {
    const examples = sourceRows(
      "from" in source ? { ...source, from: { path: resolveDataset(source.from, store, cache).file } } : source,
    );
    makeFolder(join(store, ".datasets"));
    writeFileAtomic(file, JSON.stringify(examples));
  };
  const summary = () => cache.of("data", [file], () => summarize(savedRows(file)));
  if (!existsSync(file)) save();
  try {
    return { file, ...summary() };
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    save(); // the file is damaged
    return { file, ...summary() };
  }
}

/** @throws {DataError} if the file is damaged */
function savedRows(file: string): Row[] {
  return readExamples<Row>(file);
}

/** Whether a source is all rows of a `.json` or `.jsonl` file as they are. */
function isPlainFile(source: DatasetSource): source is { path: string } {
  return "path" in source && source.fields === undefined && source.rows === undefined && /\.jsonl?$/i.test(source.path);
}

/** Identifies the rows that a source gives, without reading a file that has not changed. */
function sourceKey(source: DatasetSource, store: string, cache: DigestCache): string {
  if ("examples" in source) return rowsDigest(checkDataRows(source.examples, "examples"));
  if ("path" in source) {
    const { path, fields, rows } = source;
    if (!statSync(path, { throwIfNoEntry: false })?.isFile()) throw new DataError(`${path}: there is no such file`);
    return sha256(
      String(TRANSFORM_FORMAT),
      cache.of("file", [path], () => fileDigest(path)),
      JSON.stringify({ fields, rows }),
    );
  }
  const { from, tokenizer, ...transform } = source;
  return sha256(
    String(TRANSFORM_FORMAT),
    resolveDataset(from, store, cache).digest,
    tokenizerDigest(tokenizer, cache),
    JSON.stringify(transform),
  );
}

function summarize(rows: readonly Row[]): Omit<ResolvedDataset, "file"> {
  return {
    digest: rowsDigest(rows),
    rows: rows.length,
    characters: characterCount(rows),
    ...(areConversations(rows) && { conversations: true }),
  };
}
