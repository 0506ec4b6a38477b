/** Generates the pocket data's files: tokenizer, instruction sets, conversations and benchmarks (not the models). */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { renderChat } from "../../../lib/data/chat-template";
import { loadTokenizer, type Tokenizer } from "../../../lib/data/tokenizer";
import { makeBenchmarks } from "./benchmarks";
import { makeConversations, type Chat } from "./conversations";
import { makeInstructions } from "./instructions";
import type { Task } from "./task";
import { SPECIAL_TOKENS, trainTokenizer } from "./tokenizer";

const jsonLines = (rows: object[]): string => rows.map((row) => `${JSON.stringify(row)}\n`).join("");

const jsonArray = (rows: object[]): string => `[\n${rows.map((row) => `  ${JSON.stringify(row)}`).join(",\n")}\n]\n`;

const examplesJson = (tasks: Task[]): string =>
  jsonArray(tasks.map(({ instruction, input, output }) => ({ instruction, input, output })));

/** Counts the tokens of conversations, rendered through the pocket template. */
function chatLengths(tokenizer: Tokenizer): (chat: Chat) => number {
  const [, bos_token, eos_token] = SPECIAL_TOKENS;
  const template = {
    name: "pocket",
    jinja: readFileSync(join(__dirname, "..", "chat.jinja"), "utf8"),
    specialTokens: { bos_token, eos_token },
  };
  return ({ messages, tools }) =>
    tokenizer.encode(renderChat(template, messages, { tools }), { addSpecialTokens: false }).length;
}

/**
 * Makes tokenizer, instruction sets, conversations, benchmarks and manifest. The result is the same on every machine.
 * @returns file contents by path below `datasets/pocket/`
 */
export function makeData(): Map<string, string> {
  const { tokenizer, config } = trainTokenizer();
  const loaded = load(tokenizer, config);
  const sets = makeInstructions(loaded);
  const chats = makeConversations(Object.values(sets).flat(), chatLengths(loaded));
  const files = new Map([
    ["tokenizer/tokenizer.json", tokenizer],
    ["tokenizer/tokenizer_config.json", config],
    ["instructions/plain.json", examplesJson(sets.plain)],
    ["instructions/cleaned.json", examplesJson(sets.cleaned)],
    ["instructions/heldout.json", examplesJson(sets.heldOut)],
    ["conversations/training.json", jsonArray(chats.training)],
    ["conversations/heldout.json", jsonArray(chats.heldOut)],
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
