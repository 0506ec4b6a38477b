import { readFileSync } from "node:fs";
import { join } from "node:path";
import { loadTokenizer } from "../../../lib/data/tokenizer";
import { difference, type Expected, type Format } from "../format";
import { strictJson } from "../json-text";
import { mutateJsonFile, type Files } from "../mutate";

const FIXTURES = join(__dirname, "..", "..", "data", "fixtures");
const TEXTS = ["", " ", "The cat 12", "é😀 the\tthing", "<s>a</s> <eos><|new|>", "\ud800", "a  b\n\nthe\u0000"];
const NAMES = ["bytelevel", "llama", "crossing", "unigram"];
const BASES = NAMES.map((name) => readFileSync(join(FIXTURES, name, "tokenizer.json")));
const CONFIGS = NAMES.map(
  (name) => JSON.parse(readFileSync(join(FIXTURES, name, "tokenizer_config.json"), "utf8")) as Json,
);

type Json = Record<string, unknown>;

/** A tokenizer's settings, and what it makes of some texts. */
interface Read {
  vocabularySize: number;
  eosId: number;
  eosToken: string;
  bosId: number | undefined;
  padId: number;
  endIds: readonly number[];
  ids: number[][];
  withSpecial: number[][];
  decoded: string[];
}

/** tokenizer.json with the files that Transformers reads beside it. */
export const tokenizer: Format<Read> = {
  name: "tokenizer",
  place: /line \d+|"|must hold|no tokenizer\.json|UTF-8|library|token|model|entr|is missing/,

  valid(draw) {
    const i = draw.int(BASES.length);
    const files: Files = new Map([["tokenizer.json", BASES[i]]]);
    const config = { ...CONFIGS[i] };
    const { model, added_tokens: added } = JSON.parse(BASES[i].toString()) as {
      model: Json;
      added_tokens: { id: number }[];
    };
    const size = Math.max(Object.keys(model.vocab as object).length, ...added.map(({ id }) => id + 1));
    if (draw.chance(0.4)) files.set("added_tokens.json", json({ "<|new|>": size, "<|newer|>": size + 1 }));
    else if (draw.chance(0.3))
      config.added_tokens_decoder = { [size]: { content: "<|new|>", special: true, normalized: false } };
    if (draw.chance(0.4))
      files.set("special_tokens_map.json", json({ eos_token: { content: config.eos_token, lstrip: false } }));
    if (draw.chance(0.4)) files.set("generation_config.json", json({ eos_token_id: [size - 1, 2], bos_token_id: 1 }));
    if (draw.chance(0.3)) config.clean_up_tokenization_spaces = true;
    return files.set("tokenizer_config.json", json(config));
  },

  mutate(draw, files) {
    return mutateJsonFile(draw, files, draw.chance(0.6) ? "tokenizer.json" : draw.pick([...files.keys()]));
  },

  read(dir) {
    const loaded = loadTokenizer(dir);
    const { vocabularySize, eosId, eosToken, bosId, padId, endIds = [] } = loaded;
    const ids = TEXTS.map((text) => loaded.encode(text, { addSpecialTokens: false }));
    const withSpecial = TEXTS.map((text) => loaded.encode(text));
    const decoded = [...ids, ...withSpecial].map((list, i) => loaded.decode(list, { skipSpecialTokens: i % 2 === 0 }));
    return { vocabularySize, eosId, eosToken, bosId, padId, endIds, ids, withSpecial, decoded };
  },

  expected(files): Expected<Read> {
    const reference = referenceIds(files);
    if ("refused" in reference) return reference;
    return { mayRefuse: !isUntouched(files), check: (got) => readDifference(got, reference, files) };
  },
};

/** A post-processor that adds special tokens, with their ids. */
interface Template {
  type: string;
  single: { SpecialToken?: { id: string }; Sequence?: { id: string } }[];
  special_tokens: Record<string, { ids: number[] }>;
}

const json = (value: unknown) => Buffer.from(JSON.stringify(value));
const isRecord = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isId = (value: unknown): value is number =>
  Number.isInteger(value) && Number(value) >= 0 && Number(value) < 2 ** 24;

/** Whether the files are those of a valid input. */
function isUntouched(files: Files): boolean {
  const names = ["tokenizer.json", "tokenizer_config.json"];
  return files.size === 2 && names.every((name) => files.has(name)) && baseOf(files) >= 0;
}

/** Which of the valid tokenizers this is, with its config; −1: another one. */
function baseOf(files: Files): number {
  const i = BASES.findIndex((base) => files.get("tokenizer.json")?.equals(base));
  return i >= 0 && files.get("tokenizer_config.json")?.equals(json(CONFIGS[i])) ? i : -1;
}

/** The ids that the files give, by token; a file that the Rust library or Transformers would not read is refused. */
function referenceIds(files: Files): { ids: Set<number>; config: Json; endIds: unknown[] } | { refused: string } {
  const read = new Map<string, Json>();
  for (const [name, bytes] of files) {
    const { value } = strictJson(bytes);
    const isRead =
      name !== "added_tokens.json" || !("added_tokens_decoder" in (read.get("tokenizer_config.json") ?? {}));
    if (isRead && !isRecord(value)) return { refused: `${name} is no JSON object` };
    read.set(name, value as Json);
  }
  const main = read.get("tokenizer.json");
  const model = main?.model;
  if (!main || !isRecord(model)) return { refused: "no model" };
  for (const part of ["normalizer", "pre_tokenizer", "post_processor", "decoder"]) {
    const given = main[part] ?? null;
    if (given !== null && !(isRecord(given) && typeof given.type === "string")) return { refused: part };
  }
  const ids = new Set<number>();
  const tokens = new Set<string>();
  const entries: unknown[][] | undefined = Array.isArray(model.vocab)
    ? (model.vocab as unknown[][]).map((entry, id) => [
        Array.isArray(entry) && entry.length === 2 && typeof entry[1] === "number" ? entry[0] : undefined,
        id,
      ])
    : isRecord(model.vocab)
      ? Object.entries(model.vocab)
      : undefined;
  if (!entries) return { refused: "vocab" };
  for (const [token, id] of entries) {
    if (typeof token !== "string" || !isId(id)) return { refused: `vocab: ${JSON.stringify(token)}` };
    if (ids.has(id)) return { refused: `id ${id} twice` };
    ids.add(id);
    tokens.add(token);
  }
  const merges = model.merges ?? [];
  if (!Array.isArray(merges)) return { refused: "merges" };
  for (const merge of merges as unknown[]) {
    const pair = (typeof merge === "string" ? merge.split(" ") : merge) as unknown[];
    if (!Array.isArray(pair) || pair.length !== 2 || !pair.every((part) => typeof part === "string"))
      return { refused: "a merge" };
    if (![...(pair as string[]), pair.join("")].every((part) => tokens.has(part)))
      return { refused: `merge ${pair.join(" ")}` };
  }
  const added = main.added_tokens ?? [];
  if (!Array.isArray(added)) return { refused: "added_tokens" };
  const contents = (added as unknown[]).map((token) => (isRecord(token) ? token.content : undefined));
  if (new Set(contents).size < contents.length) return { refused: "an added token twice" };
  for (const token of added as unknown[]) {
    if (!isRecord(token) || typeof token.content !== "string" || !isId(token.id)) return { refused: "an added token" };
    const flags = ["single_word", "lstrip", "rstrip", "normalized", "special"];
    if (flags.some((flag) => token[flag] !== undefined && typeof token[flag] !== "boolean"))
      return { refused: "a flag" };
    ids.add(token.id);
  }
  const [generation, configJson] = [read.get("generation_config.json"), read.get("config.json")];
  const endIds = [generation?.eos_token_id ?? configJson?.eos_token_id ?? []].flat() as unknown[];
  if (!endIds.every(isId)) return { refused: "eos_token_id" };
  return { ids, config: read.get("tokenizer_config.json") ?? {}, endIds };
}

function readDifference(
  got: Read,
  { ids, config, endIds }: { ids: Set<number>; config: Json; endIds: unknown[] },
  files: Files,
): string | undefined {
  // a file beside tokenizer.json adds tokens at the next free ids
  const isKnown = (id: number) => isId(id) && id < got.vocabularySize && (ids.has(id) || id >= ids.size);
  const all = [...got.ids, ...got.withSpecial].flat();
  const strange = [...all, got.eosId, got.padId, got.bosId ?? got.eosId].find((id) => !isKnown(id));
  if (strange !== undefined) return `the id ${strange} is none of the tokenizer's ${got.vocabularySize}`;
  if (!got.decoded.every((text) => typeof text === "string")) return "decoding gives no text";
  const missing = [got.eosId, ...endIds].find((id) => !got.endIds.includes(id as number));
  if (missing !== undefined) return `${String(missing)} does not end generation`;
  const name = isRecord(config.eos_token) ? config.eos_token.content : config.eos_token;
  if (typeof name === "string" && !files.has("special_tokens_map.json") && got.eosToken !== name)
    return `the end of sequence is ${JSON.stringify(got.eosToken)}, not ${JSON.stringify(name)}`;
  const template = (strictJson(files.get("tokenizer.json")!).value as Json).post_processor as
    Template | null | undefined;
  if (template?.type === "TemplateProcessing") {
    const ofPiece = (piece: Template["single"][number], ids: number[]) =>
      piece.SpecialToken ? template.special_tokens[piece.SpecialToken.id].ids : piece.Sequence?.id === "A" ? ids : [];
    const wanted = got.ids.map((ids) => template.single.flatMap((piece) => ofPiece(piece, ids)));
    const wrong = difference("ids with special tokens", got.withSpecial, wanted);
    if (wrong) return wrong;
  }
  // files beside these two may add tokens, and a name of another content in special_tokens_map.json does
  return baseOf(files) < 0 || files.has("added_tokens.json") || files.has("special_tokens_map.json")
    ? undefined
    : difference("ids", got.ids, baseIds(baseOf(files)));
}

const known = new Map<number, number[][]>();

/** Ids of the texts by the tokenizer as it is in the fixtures. */
function baseIds(i: number): number[][] {
  if (!known.has(i))
    known.set(
      i,
      TEXTS.map((text) => loadTokenizer(join(FIXTURES, NAMES[i])).encode(text, { addSpecialTokens: false })),
    );
  return known.get(i)!;
}
