// The JSON files of a tokenizer in a Hugging Face directory, read as Transformers 5 reads them.
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { GenericSchema } from "valibot";
import { configHome, generationHome, tokenizerHome } from "./adapter-base";
import { DataError } from "./errors";
import { parseJson, readJson, readText } from "./read-json";
import {
  addedTokensSchema,
  modelType,
  specialIdsSchema,
  tokenizerConfigSchema,
  tokenizerSchema,
} from "./tokenizer-schema";
import { isObject, shown, validated } from "./validate";

type JsonObject = Record<string, unknown>;

/** An entry of `added_tokens` in tokenizer.json. */
export interface AddedToken {
  id: number;
  content: string;
  single_word: boolean;
  lstrip: boolean;
  rstrip: boolean;
  normalized: boolean;
  special: boolean;
}

/** The tokenizer's JSON files, parsed. */
export interface TokenizerFiles {
  /** path of tokenizer.json */
  path: string;
  /** text of tokenizer.json */
  text: string;
  /** tokenizer.json */
  json: JsonObject & { model: JsonObject };
  /** tokenizer_config.json, or {} if missing */
  config: JsonObject;
  /** settings that name special tokens by their text, from tokenizer_config.json and special_tokens_map.json */
  tokenNames: JsonObject;
  /** settings that give special tokens by id, from generation_config.json, else config.json */
  tokenIds: JsonObject;
  /** added_tokens.json, if Transformers reads it: id of each token by its text */
  addedTokens: Record<string, number>;
}

/** Settings that name one special token each, in the order in which Transformers adds those that are new. */
const ROLES = ["bos", "eos", "unk", "sep", "pad", "cls", "mask"];

/** Files that {@link readTokenizerFiles} reads from one directory. */
const READ_FILES = [
  "tokenizer.json",
  "tokenizer_config.json",
  "special_tokens_map.json",
  "added_tokens.json",
  "generation_config.json",
];

/** Paths of the files that {@link readTokenizerFiles} reads: what a tokenizer is depends on these. */
export function tokenizerFiles(dir: string): string[] {
  const home = tokenizerHome(dir);
  const paths = [...READ_FILES.map((name) => join(home, name)), join(configHome(home), "config.json")];
  return paths.filter((path) => existsSync(path));
}

/**
 * Reads the files of a tokenizer.
 *
 * If tokenizer_config.json has `added_tokens_decoder`, it names the special tokens, and special_tokens_map.json only
 * those that it leaves open. Without it the directory is of an older kind: special_tokens_map.json goes first, and
 * added_tokens.json has more tokens.
 *
 * @param dir of a model, or of an adapter; what an adapter's directory lacks is that of its base
 * @throws {DataError} if tokenizer.json is missing, or a file is invalid
 */
export function readTokenizerFiles(dir: string): TokenizerFiles {
  const home = tokenizerHome(dir);
  const path = join(home, "tokenizer.json");
  if (!existsSync(path)) {
    throw new DataError(
      `${dir}: there is no tokenizer.json here; use a Hugging Face directory with the file of the fast tokenizer`,
    );
  }
  const text = readText(path);
  const json = parseJson(text, path);
  if (!isObject(json) || !isObject(json.model))
    throw new DataError(`${path}: this is not a tokenizer file: it has no "model"`);
  validated(tokenizerSchema, json, path, DataError);
  const config = optionalObject(home, "tokenizer_config.json", tokenizerConfigSchema);
  const map = optionalObject(home, "special_tokens_map.json", tokenizerConfigSchema);
  const isOld = config.added_tokens_decoder === undefined;
  return {
    path,
    text,
    json: { ...json, model: { ...json.model, type: modelType(json.model) } },
    config,
    tokenNames: isOld ? { ...config, ...withoutNulls(map) } : { ...map, ...withoutNulls(config) },
    tokenIds: {
      ...optionalObject(configHome(home), "config.json", specialIdsSchema),
      ...withoutNulls(optionalObject(generationHome(home), "generation_config.json", specialIdsSchema)),
    },
    addedTokens: isOld ? (optionalObject(home, "added_tokens.json", addedTokensSchema) as Record<string, number>) : {},
  };
}

/**
 * Lists the added tokens of tokenizer.json, and those that Transformers adds on loading: the ones in
 * tokenizer_config.json or added_tokens.json, and special tokens that are only named. A token that is in the vocabulary
 * keeps its id; another gets the next free one.
 *
 * @throws {DataError} if a file gives a token another id than that
 */
export function addedTokens(files: TokenizerFiles): AddedToken[] {
  const { json, config, tokenNames, path } = files;
  const vocabulary = vocabularyIds(json.model);
  const added: AddedToken[] = [];
  let nextId = vocabulary.size; // as the Rust library numbers new tokens
  const names = ROLES.flatMap((role) => tokenText(tokenNames[`${role}_token`]) ?? []);
  const extra = [tokenNames.additional_special_tokens, tokenNames.extra_special_tokens].flatMap((list) =>
    Array.isArray(list) ? list.flatMap((token) => tokenText(token) ?? []) : [],
  );
  const push = (token: AddedToken): void => {
    added.push(token);
    nextId = Math.max(nextId, token.id + 1);
  };
  const idOf = (file: string, content: string, statedId?: number): number => {
    const id = vocabulary.get(content) ?? nextId;
    if (statedId !== undefined && statedId !== id)
      throw new DataError(
        `${file}: gives ${shown(content)} the id ${statedId}, but it would be ${id}, ` +
          `the ${vocabulary.has(content) ? "one of tokenizer.json" : "next free one"}; add the token to tokenizer.json`,
      );
    return id;
  };
  const add = (file: string, content: string, flags: Partial<AddedToken>, statedId?: number): void => {
    if (added.some((token) => token.content === content)) return;
    const special = flags.special === true || names.includes(content) || extra.includes(content);
    const id = idOf(file, content, statedId);
    const defaults = { single_word: false, lstrip: false, rstrip: false, normalized: !special };
    push({ ...defaults, ...flags, special, content, id });
  };

  for (const token of (json.added_tokens ?? []) as AddedToken[]) {
    idOf(path, token.content, token.id);
    push(token);
  }
  const decoder = Object.entries((config.added_tokens_decoder ?? {}) as Record<string, AddedToken>);
  for (const [id, token] of decoder.sort(([a], [b]) => Number(a) - Number(b)))
    add(path.replace(/tokenizer\.json$/, "tokenizer_config.json"), token.content, flagsOf(token), Number(id));
  const addedPath = path.replace(/tokenizer\.json$/, "added_tokens.json");
  for (const [content, id] of Object.entries(files.addedTokens).sort(([, a], [, b]) => a - b))
    add(addedPath, content, {}, id);
  for (const content of [...names, ...extra]) add(path, content, {});
  return added;
}

/** Ids of the tokens of a model without added tokens. */
function vocabularyIds({ vocab }: JsonObject): Map<string, number> {
  if (Array.isArray(vocab)) return new Map(vocab.map(([token], id) => [token as string, id]));
  return new Map(Object.entries(vocab as Record<string, number>));
}

/** The flags that an entry of `added_tokens_decoder` gives. */
function flagsOf(token: AddedToken): Partial<AddedToken> {
  const flags = ["single_word", "lstrip", "rstrip", "normalized", "special"] as const;
  return Object.fromEntries(flags.flatMap((flag) => (typeof token[flag] === "boolean" ? [[flag, token[flag]]] : [])));
}

/** Returns the text of a special token, which is given as a string or as an object with `content`. */
export function tokenText(value: unknown): string | undefined {
  const text = isObject(value) ? value.content : value;
  return typeof text === "string" ? text : undefined;
}

/** Reads a JSON object from a file; {} if the file does not exist. */
function optionalObject(dir: string, file: string, schema: GenericSchema): JsonObject {
  const path = join(dir, file);
  if (!existsSync(path)) return {};
  const value = readJson(path);
  if (!isObject(value)) throw new DataError(`${path}: the file must hold a JSON object`);
  validated(schema, value, path, DataError);
  return value;
}

function withoutNulls(object: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== null));
}
