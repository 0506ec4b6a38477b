import { existsSync } from "node:fs";
import { join } from "node:path";
import { Tokenizer as HuggingFaceTokenizer } from "@huggingface/tokenizers";
import { sha256 } from "./digest";
import { DataError } from "./errors";
import { parseJson, readJson, readText } from "./read-json";

/** Text to token ids and back. */
export interface Tokenizer {
  /** SHA-256 of tokenizer.json and of the special tokens in use */
  readonly digest: string;
  /** largest id + 1 */
  readonly vocabularySize: number;
  readonly bosId?: number;
  readonly eosId: number;
  readonly eosToken: string;
  /** the tokenizer's own pad token, else EOS; either may be a real token, so padding is masked by length */
  readonly padId: number;
  /** Special tokens written out in `text` are recognized. `addSpecialTokens` (default true) adds BOS and the like as the tokenizer defines. */
  encode(text: string, options?: { addSpecialTokens?: boolean }): number[];
  /** `skipSpecialTokens` defaults to false. */
  decode(ids: number[], options?: { skipSpecialTokens?: boolean }): string;
}

type JsonObject = Record<string, unknown>;

interface AddedToken {
  id: number;
  content: string;
  single_word: boolean;
  lstrip: boolean;
  rstrip: boolean;
  normalized: boolean;
  special: boolean;
}

/**
 * Loads a Hugging Face tokenizer directory: tokenizer.json, with the special tokens named in tokenizer_config.json,
 * else special_tokens_map.json, else by id in generation_config.json or config.json.
 *
 * @throws DataError naming the file when it is missing or broken, or when no end-of-sequence token is defined
 */
export function loadTokenizer(dir: string): Tokenizer {
  const path = join(dir, "tokenizer.json");
  if (!existsSync(path)) {
    throw new DataError(
      `${dir}: there is no tokenizer.json here; a Hugging Face directory with the fast tokenizer's file is needed`,
    );
  }
  const text = readText(path);
  const json = parseJson(text, path);
  if (!isObject(json) || !isObject(json.model))
    throw new DataError(`${path}: this is not a tokenizer file: it has no "model"`);
  const config = optionalObject(dir, "tokenizer_config.json");
  const named = { ...optionalObject(dir, "special_tokens_map.json"), ...withoutNulls(config) };
  const numbered = {
    ...optionalObject(dir, "config.json"),
    ...withoutNulls(optionalObject(dir, "generation_config.json")),
  };

  const added = addedTokens(json, config, named);
  let library: HuggingFaceTokenizer;
  try {
    library = new HuggingFaceTokenizer(
      {
        decoder: null,
        post_processor: null,
        normalizer: null,
        ...json,
        pre_tokenizer: json.pre_tokenizer ?? wordSplit(json.model),
        added_tokens: added,
      },
      config,
    );
  } catch (error) {
    throw new DataError(`${path}: this tokenizer cannot be used: ${(error as Error).message}`);
  }
  widenWordCache(library);
  let largest = -1;
  for (const id of library.get_vocab().values()) largest = Math.max(largest, id);

  const special = (role: "bos" | "eos" | "pad"): { id: number; content: string } | undefined => {
    const content = tokenText(named[`${role}_token`]);
    if (content !== undefined) {
      const id = library.token_to_id(content);
      return id === undefined ? undefined : { id, content };
    }
    const value = numbered[`${role}_token_id`];
    const id: unknown = Array.isArray(value) ? value[0] : value;
    const token = typeof id === "number" ? library.id_to_token(id) : undefined;
    return token === undefined ? undefined : { id: id as number, content: token };
  };
  const eos = special("eos");
  if (eos === undefined) {
    const wanted = tokenText(named.eos_token);
    throw new DataError(
      wanted === undefined
        ? `${dir}: no end-of-sequence token is defined; name it as "eos_token" in tokenizer_config.json`
        : `${dir}: the end-of-sequence token ${JSON.stringify(wanted)} named in tokenizer_config.json is not in tokenizer.json`,
    );
  }
  const pad = tokenText(named.pad_token) === undefined ? undefined : special("pad");
  const bosId = special("bos")?.id;
  const padId = pad?.id ?? eos.id;
  const cleanUp = config.clean_up_tokenization_spaces === true;
  const specialIds = new Set(added.filter((token) => token.special).map((token) => token.id));

  const tokenizer: Tokenizer = {
    digest: sha256(
      text,
      JSON.stringify({
        added,
        bosId,
        eosId: eos.id,
        padId,
        removeSpace: config.remove_space,
        lowercase: config.do_lowercase_and_remove_accent,
      }),
    ),
    vocabularySize: largest + 1,
    bosId,
    eosId: eos.id,
    eosToken: eos.content,
    padId,
    encode: (text, { addSpecialTokens = true } = {}) =>
      library.encode(text, { add_special_tokens: addSpecialTokens }).ids,
    decode: (ids, { skipSpecialTokens = false } = {}) => {
      const shown = skipSpecialTokens ? ids.filter((id) => !specialIds.has(id)) : ids;
      return shown.length === 0 ? "" : library.decode(shown, { clean_up_tokenization_spaces: cleanUp });
    },
  };
  const written = tokenizer.encode(eos.content, { addSpecialTokens: false });
  if (written.length !== 1 || written[0] !== eos.id) {
    throw new DataError(
      `${dir}: the end-of-sequence token ${JSON.stringify(eos.content)} (id ${eos.id}) is not one token when it stands in a text (it gives ${JSON.stringify(written)})`,
    );
  }
  return tokenizer;
}

/** @throws DataError when the tokenizer can produce ids that a model with `vocabularySize` embeddings does not have */
export function checkVocabulary(tokenizer: Tokenizer, vocabularySize: number, where: string): void {
  if (tokenizer.vocabularySize > vocabularySize) {
    throw new DataError(
      `${where}: the tokenizer has ids up to ${tokenizer.vocabularySize - 1}, but the model only ${vocabularySize} embeddings (0 to ${vocabularySize - 1}); they do not belong together`,
    );
  }
}

/**
 * LLaMA's tokenizer.json has no pre-tokenizer: a whole text is one word, too long for the library's cache of words.
 * Where no merge joins a "▁" to a character before it, cutting there gives the same ids: 9.4 s instead of 16.6 s on 9,229 Alpaca rows.
 */
function wordSplit(model: JsonObject): JsonObject | null {
  const {
    type,
    merges,
    ignore_merges: ignoreMerges,
    continuing_subword_prefix: prefix,
    end_of_word_suffix: suffix,
  } = model;
  if (type !== "BPE" || !Array.isArray(merges) || ignoreMerges === true || Boolean(prefix) || Boolean(suffix))
    return null;
  const crosses = (merges as (string | string[])[]).some((merge) =>
    /[^▁]▁/.test(typeof merge === "string" ? merge.replace(" ", "") : merge.join("")),
  );
  return crosses ? null : { type: "Split", pattern: { Regex: "▁*[^▁]+|▁+" }, behavior: "Isolated", invert: false };
}

/**
 * The library's cache holds 10,000 words and reorders itself at every look-up, which costs as much as the merging
 * that it saves. One that is larger and never reordered takes the encoding of 9,229 Alpaca rows from 9.4 to 7.4 s.
 */
function widenWordCache(library: HuggingFaceTokenizer): void {
  const model = library.model as unknown as {
    cache?: { get(word: string): string[] | undefined; put(word: string, tokens: string[]): void; clear(): void };
  };
  if (model.cache === undefined) return;
  const words = new Map<string, string[]>();
  model.cache = {
    get: (word) => words.get(word),
    put: (word, tokens) => {
      if (words.size < 200_000) words.set(word, tokens);
    },
    clear: () => words.clear(),
  };
}

/** tokenizer.json's added tokens, and those that Transformers adds on loading: tokenizer_config.json's, and named special ones that are in the vocabulary only. */
function addedTokens(json: JsonObject, config: JsonObject, named: JsonObject): AddedToken[] {
  const added = [...((json.added_tokens as AddedToken[] | undefined) ?? [])];
  const has = (content: string): boolean => added.some((token) => token.content === content);
  const plain = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
  for (const [id, token] of Object.entries(isObject(config.added_tokens_decoder) ? config.added_tokens_decoder : {})) {
    if (isObject(token) && typeof token.content === "string" && !has(token.content)) {
      added.push({ ...plain, ...(token as Partial<AddedToken>), content: token.content, id: Number(id) });
    }
  }
  const vocabulary = (json.model as JsonObject).vocab;
  for (const role of ["bos", "eos", "unk", "pad"]) {
    const content = tokenText(named[`${role}_token`]);
    if (content === undefined || has(content) || !isObject(vocabulary)) continue;
    const id = vocabulary[content];
    if (typeof id === "number") added.push({ ...plain, content, id });
  }
  return added;
}

/** A special token is named by its text or by an object with `content`. */
function tokenText(value: unknown): string | undefined {
  const text = isObject(value) ? value.content : value;
  return typeof text === "string" ? text : undefined;
}

function optionalObject(dir: string, file: string): JsonObject {
  const path = join(dir, file);
  if (!existsSync(path)) return {};
  const value = readJson(path);
  if (!isObject(value)) throw new DataError(`${path}: this is not a JSON object`);
  return value;
}

function withoutNulls(object: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== null));
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
