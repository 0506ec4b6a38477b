import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import type { EncodedExample } from "../../lib/data/encode";
import type { DatasetDescription } from "../../lib/data/statistics";

export const FIXTURES = join(__dirname, "fixtures");
export const TOKENIZERS = ["bytelevel", "llama", "crossing"] as const;

/** What fixtures/make_tokenizers.py wrote for one tokenizer, by the Rust library and plain Python. */
export interface ExpectedTokenizer {
  vocabularySize: number;
  eosId: number;
  ids: number[][];
  idsWithSpecialTokens: number[][];
  decoded: string[];
  decodedWithoutSpecialTokens: string[];
  maxLength: number;
  rows: Omit<EncodedExample, "row">[];
  description: DatasetDescription;
  longRows: number[];
}

export const EXPECTED = JSON.parse(readFileSync(join(FIXTURES, "expected.json"), "utf8")) as {
  texts: string[];
} & Record<(typeof TOKENIZERS)[number], ExpectedTokenizer>;

/** A directory for this test file, removed at its end, and a way to put files there. */
export function temporaryFiles(): (name: string, content: string | Uint8Array) => string {
  const dir = mkdtempSync(join(tmpdir(), "promptloss-data-"));
  after(() => rmSync(dir, { recursive: true }));
  return (name, content) => {
    const path = join(dir, name);
    writeFileSync(path, content);
    return path;
  };
}
