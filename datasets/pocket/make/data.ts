/** Generates the pocket data's files: tokenizer, instruction sets and benchmarks (everything except the models). */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadTokenizer, type Tokenizer } from "../../../lib/data/tokenizer";
import { makeBenchmarks } from "./benchmarks";
import { makeInstructions } from "./instructions";
import type { Task } from "./task";
import { trainTokenizer } from "./tokenizer";

const jsonLines = (rows: object[]): string => rows.map((row) => `${JSON.stringify(row)}\n`).join("");

const examplesJson = (tasks: Task[]): string => {
  const rows = tasks.map(({ instruction, input, output }) => `  ${JSON.stringify({ instruction, input, output })}`);
  return `[\n${rows.join(",\n")}\n]\n`;
};

/**
 * Makes tokenizer, instruction sets, benchmarks and manifest. The result is the same on every machine.
 * @returns file contents by path below `datasets/pocket/`
 */
export function makeData(): Map<string, string> {
  const { tokenizer, config } = trainTokenizer();
  const sets = makeInstructions(load(tokenizer, config));
  const files = new Map([
    ["tokenizer/tokenizer.json", tokenizer],
    ["tokenizer/tokenizer_config.json", config],
    ["instructions/plain.json", examplesJson(sets.plain)],
    ["instructions/cleaned.json", examplesJson(sets.cleaned)],
    ["instructions/heldout.json", examplesJson(sets.heldOut)],
  ]);
  const manifest = makeBenchmarks(sets).map(({ items, fewShot, primer, ...benchmark }) => {
    const file = `${benchmark.task}.jsonl`;
    files.set(`benchmarks/${file}`, jsonLines(items));
    const fewShotFile = fewShot && `${benchmark.task}-fewshot.jsonl`;
    if (fewShot) files.set(`benchmarks/${fewShotFile}`, jsonLines(fewShot));
    const primerFile = primer === undefined ? undefined : "pocket-truthfulqa-primer.txt";
    if (primerFile) files.set(`benchmarks/${primerFile}`, `${primer}\n`);
    return { ...benchmark, count: items.length, file, fewShotFile, primerFile };
  });
  files.set("benchmarks/manifest.json", `${JSON.stringify(manifest, null, 2)}\n`);
  return files;
}

function load(tokenizer: string, config: string): Tokenizer {
  const dir = mkdtempSync(join(tmpdir(), "pocket-tokenizer-"));
  try {
    writeFileSync(join(dir, "tokenizer.json"), tokenizer);
    writeFileSync(join(dir, "tokenizer_config.json"), config);
    return loadTokenizer(dir);
  } finally {
    rmSync(dir, { recursive: true });
  }
}

/** Writes files below the folder `root`; `files` maps relative paths to contents. */
export function writeFiles(files: Map<string, string>, root: string): void {
  for (const [name, content] of files) {
    mkdirSync(join(root, name, ".."), { recursive: true });
    writeFileSync(join(root, name), content);
  }
}
