import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { examplesDigest, sha256 } from "../data/digest";
import { readExamples, type Example } from "../data/example";
import { loadTokenizer } from "../data/tokenizer";
import { invertLongCompletions, toGenerationRatio } from "../data/transforms";
import { tokenizerDigest, type DigestCache } from "./digests";
import { makeFolder, writeFileAtomic } from "./files";

/** Where a dataset's rows come from; paths absolute. `tokenizer` is a directory: transforms count its tokens. */
export type DatasetSource =
  | { path: string }
  | { examples: Example[] }
  | { from: DatasetSource; transform: "invertLongCompletions"; tokenizer: string }
  | { from: DatasetSource; transform: "toGenerationRatio"; target: number; seed: number; tokenizer: string };

export interface ResolvedDataset {
  /** a file with the rows, for other processes */
  file: string;
  digest: string;
  rows: number;
  /** of text, all fields; a measure of the work a row is */
  characters: number;
}

/** Raised when a transform gives other rows for the same input than before. */
const TRANSFORM_FORMAT = 1;

/** The rows of a source. @throws {DataError} with all bad rows */
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
 * Digest and size of a source, and a file that holds its rows: transformed and given rows are kept in `.datasets`
 * of the store. Neither reads nor transforms what it has seen before.
 * @throws {DataError} with all bad rows
 */
export function resolveDataset(source: DatasetSource, store: string, cache: DigestCache): ResolvedDataset {
  if ("path" in source) {
    // a missing file is readExamples' to report
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
