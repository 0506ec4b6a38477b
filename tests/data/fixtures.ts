import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import type { DatasetDescription } from "../../lib/data/statistics";

/** Directory with the fixture tokenizers, rows and expected values. */
export const FIXTURES = join(__dirname, "fixtures");
/** Names of the fixture tokenizers, which are also the names of their directories. */
export const TOKENIZERS = ["bytelevel", "llama", "crossing"] as const;

/** Expected values for one tokenizer, written by fixtures/make_tokenizers.py from the Rust library and plain Python. */
export interface ExpectedTokenizer {
  vocabularySize: number;
  eosId: number;
  ids: number[][];
  idsWithSpecialTokens: number[][];
  decoded: string[];
  decodedWithoutSpecialTokens: string[];
  maxLength: number;
  rows: { ids: number[]; promptLength: number; lostCompletionTokens: number }[];
  description: DatasetDescription;
  longRows: number[];
}

/** Expected values by tokenizer name; `texts` are the texts that were encoded. */
export const EXPECTED = JSON.parse(readFileSync(join(FIXTURES, "expected.json"), "utf8")) as {
  texts: string[];
} & Record<(typeof TOKENIZERS)[number], ExpectedTokenizer>;

/**
 * Creates a temporary directory that is removed when the test file ends.
 *
 * @returns a function that writes a file in this directory and returns its path
 */
export function temporaryFiles(): (name: string, content: string | Uint8Array) => string {
  const dir = mkdtempSync(join(tmpdir(), "promptloss-data-"));
  after(() => rmSync(dir, { recursive: true }));
  return (name, content) => {
    const path = join(dir, name);
    writeFileSync(path, content);
    return path;
  };
}
