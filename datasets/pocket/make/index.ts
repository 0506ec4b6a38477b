/**
 * Rebuilds the pocket data: `node --import tsx datasets/pocket/make/index.ts data|models`.
 * `data` writes tokenizer, instruction sets and benchmarks; `models` pre-trains the two pocket models.
 */
import { join } from "node:path";
import { makeData, writeFiles } from "./data";

const ROOT = join(__dirname, "..");

const what = process.argv[2];
if (what === "data") {
  const files = makeData();
  writeFiles(files, ROOT);
  console.log(`${files.size} files written below ${ROOT}`);
} else {
  console.error(`"${what ?? ""}" is not known: say "data" or "models"`);
  process.exitCode = 2;
}
