import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { examplesDigest, sha256 } from "../data/digest";
import { readExamples, type Example } from "../data/example";
import { loadTokenizer } from "../data/tokenizer";
import { invertLongCompletions, toGenerationRatio } from "../data/transforms";
import { tokenizerDigest, type DigestCache } from "./digests";
import { makeFolder, writeFileAtomic } from "./files";

/**
 * Where a dataset's rows come from: a file, rows in memory, or a transform of another source. Paths are absolute.
 * `tokenizer` is the directory of the tokenizer that the transform counts tokens with.
 */
export type DatasetSource =
  | { path: string }
  | { examples: Example[] }
  | { from: DatasetSource; transform: "invertLongCompletions"; tokenizer: string }
  | { from: DatasetSource; transform: "toGenerationRatio"; target: number; seed: number; tokenizer: string };

/** A dataset source saved as a file, with its digest and size. */
export interface ResolvedDataset {
  /** file that holds the rows, readable by other processes */
  file: string;
  /** digest of the rows, see {@link examplesDigest} */
  digest: string;
  rows: number;
  /** total characters (UTF-16 code units) in all fields of all rows; used to estimate training time */
  characters: number;
}

/** Incremented when a transform produces different rows from the same input. */
const TRANSFORM_FORMAT = 1;

/**
 * Reads, and where necessary transforms, the rows of a source.
 * @throws {DataError} listing every invalid row
 */
export function sourceExamples(source: DatasetSource): Example[] {
  if ("path" in source) return readExamples(source.path);
  if ("examples" in source) return source.examples;
  const examples = sourceExamples(source.from);
  const tokenizer = loadTokenizer(source.tokenizer);
  return source.transform === "invertLongCompletions"
    ? invertLongCompletions(examples, tokenizer)
    : toGenerationRatio(examples, source.target, tokenizer, { seed: source.seed });
}

/**
 * Computes the digest and size of a source and makes sure that a file holds its rows. Rows that were transformed or
 * passed in memory are saved in the store's `.datasets` folder. Unchanged sources are neither read nor transformed
 * again.
 * @param store the run store's folder
 * @throws {DataError} listing every invalid row
 * @throws {StoreError} if the rows cannot be saved
 */
export function resolveDataset(source: DatasetSource, store: string, cache: DigestCache): ResolvedDataset {
  if ("path" in source) {
    // readExamples reports a missing file
    const summary = existsSync(source.path)
      ? cache.of("data", [source.path], () => summarize(readExamples(source.path)))
      : summarize(readExamples(source.path));
    return { file: source.path, ...summary };
  }
  const key = "examples" in source ? examplesDigest(source.examples) : transformKey(source, store, cache);
  const file = join(store, ".datasets", `${key.slice(0, 16)}.json`);
  if (!existsSync(file)) {
    const examples = sourceExamples(
      "examples" in source ? source : { ...source, from: { path: resolveDataset(source.from, store, cache).file } },
    );
    makeFolder(join(store, ".datasets"));
    writeFileAtomic(file, JSON.stringify(examples));
  }
  return { file, ...cache.of("data", [file], () => summarize(JSON.parse(readFileSync(file, "utf8")) as Example[])) };
}

function transformKey(
  source: Exclude<DatasetSource, { path: string } | { examples: Example[] }>,
  store: string,
  cache: DigestCache,
): string {
  const { from, tokenizer, ...transform } = source;
  return sha256(
    String(TRANSFORM_FORMAT),
    resolveDataset(from, store, cache).digest,
    tokenizerDigest(tokenizer, cache),
    JSON.stringify(transform),
  );
}

function summarize(examples: Example[]): Omit<ResolvedDataset, "file"> {
  const characters = examples.reduce(
    (sum, { instruction, input, output }) => sum + instruction.length + input.length + output.length,
    0,
  );
  return { digest: examplesDigest(examples), rows: examples.length, characters };
}
