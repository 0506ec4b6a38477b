import { Tokenizer as HuggingFaceTokenizer } from "@huggingface/tokenizers";
import { ownChatTemplate, type ChatTemplate } from "./chat-template";
import { sha256 } from "./digest";
import { DataError } from "./errors";
import { createAligner, type Aligner } from "./token-aligner";
import { addedTokens, readTokenizerFiles, tokenText, type AddedToken, type TokenizerFiles } from "./tokenizer-files";
import type { Span } from "./traced-text";
import { isObject, shown } from "./validate";

/** A tokenizer: converts text to token ids and back. */
export interface Tokenizer {
  /** SHA-256 of tokenizer.json and of the special tokens in use */
  readonly digest: string;
  /** largest id + 1 */
  readonly vocabularySize: number;
  /** id of the beginning-of-sequence token; undefined if the tokenizer has none */
  readonly bosId?: number;
  /** id of the end-of-sequence token */
  readonly eosId: number;
  /** text of the end-of-sequence token */
  readonly eosToken: string;
  /** `vocabularySize` without added tokens at its end that have no role; default: `vocabularySize` */
  readonly neededEmbeddings?: number;
  /**
   * ids that end generation: EOS, and those that generation_config.json, else config.json, gives as `eos_token_id`;
   * default: EOS alone
   */
  readonly endIds?: readonly number[];
  /**
   * id of the tokenizer's own pad token, else of EOS; both may also occur as real tokens, so padding must be masked by
   * length
   */
  readonly padId: number;
  /**
   * Encodes a text. Special tokens written out in the text are recognized.
   *
   * @param options.addSpecialTokens adds BOS and other special tokens as the tokenizer defines; default true
   * @returns token ids
   */
  encode(text: string, options?: { addSpecialTokens?: boolean }): number[];
  /**
   * Decodes token ids.
   *
   * @param options.skipSpecialTokens leaves special tokens out of the text; default false
   */
  decode(ids: number[], options?: { skipSpecialTokens?: boolean }): string;
  /** ids of special tokens; default: none is known */
  readonly specialIds?: ReadonlySet<number>;
  /** the chat template of the tokenizer's files; undefined if there is none */
  readonly chatTemplate?: ChatTemplate;
  /** Finds the characters that each token of a text comes from: see `tokenSpans`; absent if the tokenizer cannot tell. */
  align?(text: string, ids: readonly number[]): Span[];
}

type JsonObject = Record<string, unknown>;

/** Capacity of the word caches of {@link widenWordCache} and {@link rememberBytes}. */
const MAX_CACHED_WORDS = 200_000;

/** A special token. */
interface SpecialToken {
  id: number;
  content: string;
}

/**
 * Loads a tokenizer from a Hugging Face directory. tokenizer.json is required. The special tokens are those named in
 * tokenizer_config.json and special_tokens_map.json, else those given by id in generation_config.json, else in
 * config.json. Ids and texts are those of Transformers 5.
 *
 * @param dir directory with tokenizer.json
 * @throws {DataError} if a file is missing or invalid, the library cannot use the tokenizer, no end-of-sequence token
 *   is defined, or its text is not encoded as one token; names the file
 */
export function loadTokenizer(dir: string): Tokenizer {
  const files = readTokenizerFiles(dir);
  const { text, config } = files;
  const added = addedTokens(files);
  warnOfSingleWords(files.path, added);
  const library = createLibraryTokenizer(files, added);
  checkTemplate(files.path, library, files.json.post_processor);
  widenWordCache(library);
  rememberBytes((library as unknown as { pre_tokenizer: BytePreTokenizer | null }).pre_tokenizer);
  decodeSpaces(library.decoder);
  normalizeAddedTokens(library, added);

  const eos = endOfSequenceToken(dir, library, files);
  const pad = tokenText(files.tokenNames.pad_token) === undefined ? undefined : specialToken("pad", library, files);
  const bosId = specialToken("bos", library, files)?.id;
  const padId = pad?.id ?? eos.id;
  const cleanUp = cleansUpSpaces(files);
  const endIds = [...new Set([eos.id, ...[files.tokenIds.eos_token_id].flat().filter((id) => typeof id === "number")])];
  const ids = [...library.get_vocab().values()];
  const withRole = new Set([bosId, padId, ...endIds]);
  const withoutRole = new Set(added.map(({ id }) => id).filter((id) => !withRole.has(id)));
  const specialIds = new Set(added.filter((token) => token.special).map((token) => token.id));
  let aligner: Aligner | undefined;

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
    vocabularySize: largest(ids) + 1,
    neededEmbeddings: largest(ids.filter((id) => !withoutRole.has(id))) + 1,
    bosId,
    eosId: eos.id,
    eosToken: eos.content,
    endIds,
    padId,
    encode: (text, { addSpecialTokens = true } = {}) =>
      library.encode(text, { add_special_tokens: addSpecialTokens }).ids,
    decode: (ids, { skipSpecialTokens = false } = {}) => {
      const decoded = skipSpecialTokens ? ids.filter((id) => !specialIds.has(id)) : ids;
      return decoded.length === 0 ? "" : library.decode(decoded, { clean_up_tokenization_spaces: cleanUp });
    },
    specialIds,
    chatTemplate: ownChatTemplate(dir, files),
    align: (text, ids) => (aligner ??= createAligner(library))(text, ids),
  };
  const eosIds = tokenizer.encode(eos.content, { addSpecialTokens: false });
  if (eosIds.length !== 1 || eosIds[0] !== eos.id) {
    throw new DataError(
      `${dir}: the end-of-sequence token ${JSON.stringify(eos.content)} (id ${eos.id}) ` +
        `is not encoded as one token within a text: its ids are ${JSON.stringify(eosIds)}`,
    );
  }
  return tokenizer;
}

function createLibraryTokenizer({ path, json, config }: TokenizerFiles, added: AddedToken[]): HuggingFaceTokenizer {
  try {
    return new HuggingFaceTokenizer(
      {
        decoder: null,
        post_processor: null,
        normalizer: null,
        ...json,
        pre_tokenizer: isObject(json.pre_tokenizer) ? splitAtSpaces(json.pre_tokenizer) : wordSplit(json.model),
        added_tokens: added,
      },
      config,
    );
  } catch (error) {
    throw new DataError(`${path}: the tokenizer library does not accept this tokenizer: ${(error as Error).message}`);
  }
}

/**
 * Checks that the special tokens of a template have the ids of the vocabulary. The Rust library adds the ids that stand
 * in the template, this one those of the vocabulary.
 */
function checkTemplate(path: string, library: HuggingFaceTokenizer, postProcessor: unknown): void {
  if (!isObject(postProcessor)) return;
  const { type, processors, single, special_tokens: given } = postProcessor as unknown as PostProcessor;
  if (type === "Sequence") for (const one of processors) checkTemplate(path, library, one);
  if (type !== "TemplateProcessing") return;
  for (const token of single.flatMap(({ SpecialToken: piece }) => piece?.id ?? [])) {
    const ids = Object.hasOwn(given, token) ? given[token].ids : [];
    if (ids.length !== 1 || ids[0] !== library.token_to_id(token))
      throw new DataError(
        `${path}: post_processor: its special token ${shown(token)} has the ids ${shown(ids)}, ` +
          `but in the vocabulary ${library.token_to_id(token) ?? "none"}`,
      );
  }
}

/** What {@link checkTemplate} reads of a post-processor, whose schema was checked. */
interface PostProcessor {
  type: string;
  processors: unknown[];
  single: { SpecialToken?: { id: string } }[];
  special_tokens: Record<string, { ids: number[] }>;
}

/**
 * Makes the library split a text before each "▁" where the Rust library does: after a Metaspace pre-tokenizer, unless
 * its `split` is false. The library itself ignores that setting and never splits there.
 */
function splitAtSpaces(preTokenizer: JsonObject): JsonObject {
  if (preTokenizer.type === "Sequence" && Array.isArray(preTokenizer.pretokenizers))
    return { ...preTokenizer, pretokenizers: preTokenizer.pretokenizers.filter(isObject).map(splitAtSpaces) };
  if (preTokenizer.type !== "Metaspace" || preTokenizer.split === false) return preTokenizer;
  const space = escapeRegex(typeof preTokenizer.replacement === "string" ? preTokenizer.replacement : "▁");
  const pattern = { Regex: `${space}[^${space}]*|[^${space}]+` };
  return {
    type: "Sequence",
    pretokenizers: [preTokenizer, { type: "Split", pattern, behavior: "Isolated", invert: false }],
  };
}

const escapeRegex = (text: string) => text.replace(/[\^$.*+?()[\]{}|\-/]/g, "\\$&");

/** What this module uses of the library's decoders. */
interface LibraryDecoder {
  config: JsonObject;
  decoders?: LibraryDecoder[];
  decode_chain: (tokens: string[]) => string[];
}

/**
 * Makes a Metaspace decoder do what the Rust library does with the first token: drop every "▁" of it, or none if
 * `prepend_scheme` is "never". The library itself always drops the first.
 */
function decodeSpaces(decoder: unknown): void {
  const { config, decoders } = (decoder ?? { config: {} }) as LibraryDecoder;
  decoders?.forEach(decodeSpaces);
  if (config.type !== "Metaspace") return;
  const replacement = typeof config.replacement === "string" ? config.replacement : "▁";
  const isAdded = config.prepend_scheme !== "never" && config.add_prefix_space !== false;
  const first = isAdded ? "" : " ";
  (decoder as LibraryDecoder).decode_chain = (tokens) =>
    tokens.map((token, i) => token.replaceAll(replacement, i === 0 ? first : " "));
}

/** Gives added tokens with `normalized` the text to which they decode in the Rust library: the normalized one. */
function normalizeAddedTokens(library: HuggingFaceTokenizer, added: readonly AddedToken[]): void {
  const { normalizer, model } = library as unknown as {
    normalizer: ((text: string) => string) | null;
    model: { vocab: string[] };
  };
  if (normalizer === null) return;
  for (const { id, content, normalized } of added) if (normalized) model.vocab[id] = normalizer(content);
}

/** Files that {@link warnOfSingleWords} has named. */
const warned = new Set<string>();

/** The library recognizes every added token inside words too, other than the Rust library; says so once per file. */
function warnOfSingleWords(path: string, added: readonly AddedToken[]): void {
  const names = added.filter((token) => token.single_word).map(({ content }) => JSON.stringify(content));
  if (names.length === 0 || warned.has(path)) return;
  warned.add(path);
  console.warn(
    `${path}: ${names.join(", ")} ${names.length > 1 ? "are tokens" : "is a token"} only as a whole word in ` +
      "Transformers (single_word); here also inside words. Texts without it are tokenized alike.",
  );
}

/**
 * Whether decoding removes spaces before punctuation. As in Transformers 5, `clean_up_tokenization_spaces` does not
 * apply to BPE, whose spaces are part of the text, unless another setting insists.
 */
function cleansUpSpaces({ json, config }: TokenizerFiles): boolean {
  const isBpe = json.model.type === "BPE" || (json.model.type === undefined && Array.isArray(json.model.merges));
  const insists = config.clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output === true;
  return config.clean_up_tokenization_spaces === true && (!isBpe || insists);
}

/** Finds a special token by its text, else by its id; undefined if the files define none that is in the vocabulary. */
function specialToken(
  role: "bos" | "eos" | "pad",
  library: HuggingFaceTokenizer,
  { tokenNames, tokenIds }: TokenizerFiles,
): SpecialToken | undefined {
  const name = tokenText(tokenNames[`${role}_token`]);
  if (name !== undefined) {
    const id = library.token_to_id(name);
    return id === undefined ? undefined : { id, content: name };
  }
  const value = tokenIds[`${role}_token_id`];
  const id: unknown = Array.isArray(value) ? value[0] : value;
  const content = typeof id === "number" ? library.id_to_token(id) : undefined;
  return content === undefined ? undefined : { id: id as number, content };
}

function endOfSequenceToken(dir: string, library: HuggingFaceTokenizer, files: TokenizerFiles): SpecialToken {
  const eos = specialToken("eos", library, files);
  if (eos !== undefined) return eos;
  throw new DataError(`${dir}: no end-of-sequence token is defined; name it as "eos_token" in tokenizer_config.json`);
}

const largest = (ids: readonly number[]): number => ids.reduce((most, id) => Math.max(most, id), -1);

/**
 * Checks that a model has an embedding for every id of a tokenizer, but for added tokens without a role, such as that of
 * images in Gemma 3: a text in which one is written out is refused when it is used.
 *
 * @param vocabularySize number of embeddings of the model
 * @param where name of the model or directory, for the error message
 * @throws {DataError} if the tokenizer has more ids than the model has embeddings
 */
export function checkVocabulary(tokenizer: Tokenizer, vocabularySize: number, where: string): void {
  const needed = tokenizer.neededEmbeddings ?? tokenizer.vocabularySize;
  if (needed > vocabularySize) {
    throw new DataError(
      `${where}: the tokenizer has ids up to ${needed - 1}, but the model has only ` +
        `${vocabularySize} embeddings (0 to ${vocabularySize - 1}); use the tokenizer that the model was trained with, ` +
        "and name no special token in its config that is not in tokenizer.json",
    );
  }
}

/**
 * Returns a pre-tokenizer that splits a text into words before "▁", or null where that could change the ids.
 *
 * LLaMA's tokenizer.json has no pre-tokenizer, so a whole text is one word, which is too long for the library's word
 * cache. If no merge joins a "▁" to a preceding character, splitting there gives the same ids. Encoding 9,229 Alpaca
 * rows takes 9.4 s with the split and 16.6 s without it.
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
  const crossesWords = (merges as (string | string[])[]).some((merge) =>
    /[^▁]▁/.test(typeof merge === "string" ? merge.replace(" ", "") : merge.join("")),
  );
  return crossesWords ? null : { type: "Split", pattern: { Regex: "▁*[^▁]+|▁+" }, behavior: "Isolated", invert: false };
}

/**
 * Replaces the library's word cache with a larger one. The library's cache holds 10,000 words and reorders itself at
 * every look-up, which costs as much as the merging that it saves. A larger cache without reordering reduces the time
 * to encode 9,229 Alpaca rows from 9.4 s to 7.4 s.
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
      if (words.size < MAX_CACHED_WORDS) words.set(word, tokens);
    },
    clear: () => words.clear(),
  };
}

/** The library's pre-tokenizer ByteLevel, or a sequence that may have one. */
interface BytePreTokenizer {
  tokenizers?: (BytePreTokenizer | null)[];
  /** ByteLevel only: the character of every byte */
  byte_encoder?: Record<number, string>;
  add_prefix_space: boolean;
  use_regex: boolean;
  pattern: RegExp;
  pre_tokenize_text(text: string): string[];
}

/**
 * Lets ByteLevel remember the bytes of every word, which the library encodes one by one each time: most of the time to
 * encode a text went there.
 */
function rememberBytes(step: BytePreTokenizer | null): void {
  step?.tokenizers?.forEach(rememberBytes);
  if (!step?.byte_encoder) return;
  const known = new Map<string, string>();
  const oneWord = Object.assign(Object.create(step) as BytePreTokenizer, { add_prefix_space: false, use_regex: false });
  const original = step.pre_tokenize_text;
  const bytesOf = (word: string): string => {
    let bytes = known.get(word);
    if (bytes === undefined) {
      [bytes] = original.call(oneWord, word);
      if (known.size < MAX_CACHED_WORDS) known.set(word, bytes);
    }
    return bytes;
  };
  step.pre_tokenize_text = (text) => {
    const spaced = step.add_prefix_space && !text.startsWith(" ") ? ` ${text}` : text;
    return (step.use_regex ? (spaced.match(step.pattern) ?? []) : [spaced]).map(bytesOf);
  };
}
