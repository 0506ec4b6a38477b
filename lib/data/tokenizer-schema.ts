// Schemas of a tokenizer's JSON files: what the Rust library (tokenizers 0.22) and Transformers 5 refuse to read, and
// @huggingface/tokenizers would read as something else.
import * as v from "valibot";
import { isObject, listOf, oneOf, rule, shown, wholeNumber } from "./validate";

/** Largest id of a token: a vocabulary of more than 2²⁴ is a mistake, as it is of a model. */
const MAX_ID = 2 ** 24 - 1;
const isId = (value: unknown): value is number =>
  Number.isInteger(value) && (value as number) >= 0 && (value as number) <= MAX_ID;
const isText = (value: unknown): value is string => typeof value === "string";

const id = rule<number>("the id of a token", isId);
const string = rule<string>("a text", isText);
const truth = rule<boolean>("true or false", (value) => typeof value === "boolean");
const flag = v.nullish(truth);
const optionalText = v.nullish(string);
const count = v.nullish(wholeNumber(0));
const object = rule<Record<string, unknown>>("an object", isObject);
const number = rule<number>("a finite number", Number.isFinite);

const isPattern = (value: unknown) => isObject(value) && (isText(value.String) || isText(value.Regex));
const pattern = rule<object>('{"String": …} or {"Regex": …}', isPattern);

// ---------------------------------------------------------------- the steps before and after the model

type Fields = Record<string, v.GenericSchema>;

/** Schema of a step of tokenization: its type, and the fields of that type. `list`: the field of a "Sequence". */
function step(types: Record<string, Fields>, list: string): v.GenericSchema {
  const self: v.GenericSchema = v.lazy((value) => {
    const type = isObject(value) ? value.type : undefined;
    if (type === "Sequence") return v.looseObject({ [list]: v.array(self) });
    if (isText(type) && Object.hasOwn(types, type)) return v.looseObject(types[type]);
    return rule<never>(`an object with one of the types Sequence, ${Object.keys(types).join(", ")}`, () => false);
  });
  return self;
}

const replace = { pattern, content: string };
const metaspace = {
  replacement: optionalText,
  prepend_scheme: v.nullish(oneOf(["always", "first", "never"])),
  add_prefix_space: flag,
  split: flag,
};
const byteLevel = { add_prefix_space: flag, trim_offsets: flag, use_regex: flag };
const behavior = oneOf(["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"]);

const normalizer = step(
  {
    BertNormalizer: { clean_text: flag, handle_chinese_chars: flag, strip_accents: flag, lowercase: flag },
    Precompiled: { precompiled_charsmap: optionalText },
    Replace: replace,
    Strip: { strip_left: flag, strip_right: flag },
    Prepend: { prepend: string },
    ...{ NFC: {}, NFD: {}, NFKC: {}, NFKD: {}, StripAccents: {}, Lowercase: {} },
  },
  "normalizers",
);

const preTokenizer = step(
  {
    Metaspace: metaspace,
    ByteLevel: byteLevel,
    Split: { pattern, behavior, invert: flag },
    Punctuation: { behavior: v.nullish(behavior) },
    Digits: { individual_digits: flag },
    Replace: replace,
    FixedLength: { length: wholeNumber(1) },
    ...{ BertPreTokenizer: {}, Whitespace: {}, WhitespaceSplit: {} },
  },
  "pretokenizers",
);

const isPiece = (value: unknown) => {
  const piece = isObject(value) ? (value.SpecialToken ?? value.Sequence) : undefined;
  return isObject(piece) && isText(piece.id);
};
const pieces = listOf(rule<object>('{"SpecialToken": …} or {"Sequence": …} with an "id"', isPiece));
const named = v.looseObject({ ids: listOf(id), tokens: listOf(string) });
const tokenAndId = rule<[string, number]>(
  "a token and its id",
  (value) => Array.isArray(value) && value.length === 2 && isText(value[0]) && isId(value[1]),
);
const bert = { sep: tokenAndId, cls: tokenAndId, trim_offsets: flag, add_prefix_space: flag };

const postProcessor = step(
  {
    TemplateProcessing: {
      single: pieces,
      pair: v.nullish(v.array(v.unknown())),
      special_tokens: v.record(string, named),
    },
    ByteLevel: byteLevel,
    BertProcessing: bert,
    RobertaProcessing: bert,
  },
  "processors",
);

const decoder = step(
  {
    ByteLevel: byteLevel,
    WordPiece: { prefix: string, cleanup: flag },
    Metaspace: metaspace,
    BPEDecoder: { suffix: optionalText },
    CTC: { pad_token: string, word_delimiter_token: string, cleanup: flag },
    Replace: replace,
    Strip: { content: string, start: count, stop: count },
    ...{ Fuse: {}, ByteFallback: {} },
  },
  "decoders",
);

// ---------------------------------------------------------------- the model

/** The type of a model; files before 2020 do not give it. */
export function modelType(model: Record<string, unknown>): unknown {
  if (model.type !== undefined) return model.type;
  return Array.isArray(model.vocab) ? "Unigram" : Array.isArray(model.merges) ? "BPE" : "WordPiece";
}

/** What is wrong with a vocabulary of ids by token. */
function vocabularyFault(vocabulary: Record<string, unknown>): string | undefined {
  const known = new Map<number, string>();
  for (const [token, value] of Object.entries(vocabulary)) {
    if (!isId(value)) return `gives ${shown(token)} the id ${shown(value)}`;
    const other = known.get(value);
    if (other !== undefined) return `gives ${shown(other)} and ${shown(token)} the same id ${value}`;
    known.set(value, token);
  }
  return undefined;
}

/** What is wrong with the merges of a BPE model: each joins two tokens to a third one. */
function mergesFault({
  vocab,
  merges,
  continuing_subword_prefix: prefix,
}: Record<string, unknown>): string | undefined {
  for (const [i, merge] of (merges as unknown[]).entries()) {
    const pair: unknown = isText(merge) ? merge.split(" ") : merge;
    if (!Array.isArray(pair) || pair.length !== 2 || !pair.every(isText)) return `entry ${i + 1} is no pair of tokens`;
    const [first, second] = pair as [string, string];
    const joined = first + second.slice(isText(prefix) ? prefix.length : 0);
    const missing = [first, second, joined].find((token) => !Object.hasOwn(vocab as object, token));
    if (missing !== undefined) return `entry ${i + 1} needs ${shown(missing)}, which is not in the vocabulary`;
  }
  return undefined;
}

/** Schema of a value that a function finds no fault with. */
const withoutFault = (schema: v.GenericSchema, fault: (value: never) => string | undefined): v.GenericSchema =>
  v.pipe(
    schema,
    v.rawCheck(({ dataset, addIssue }) => {
      const message = dataset.typed ? fault(dataset.value as never) : undefined;
      if (message !== undefined) addIssue({ message });
    }),
  );

const vocab = withoutFault(object, vocabularyFault);
const list = rule<unknown[]>("a list", Array.isArray);

const MODELS: Record<string, v.GenericSchema> = {
  BPE: withoutFault(
    v.looseObject({
      vocab,
      merges: list,
      dropout: v.nullish(number),
      unk_token: optionalText,
      continuing_subword_prefix: optionalText,
      end_of_word_suffix: optionalText,
      fuse_unk: flag,
      byte_fallback: flag,
      ignore_merges: flag,
    }),
    (model: Record<string, unknown>) => {
      const fault = mergesFault(model);
      return fault && `merges: ${fault}`;
    },
  ),
  Unigram: withoutFault(
    v.looseObject({
      vocab: withoutFault(list, (entries: unknown[]) => {
        const i = entries.findIndex(
          (entry) => !Array.isArray(entry) || entry.length !== 2 || !isText(entry[0]) || !Number.isFinite(entry[1]),
        );
        return i < 0 ? undefined : `entry ${i + 1} is no token with its score`;
      }),
      unk_id: v.nullish(id),
      byte_fallback: flag,
    }),
    ({ vocab: entries, unk_id: unknown }: { vocab: unknown[]; unk_id?: number | null }) =>
      (unknown ?? 0) < entries.length ? undefined : `unk_id: there is no token ${unknown}`,
  ),
  WordPiece: v.looseObject({
    vocab,
    unk_token: string,
    continuing_subword_prefix: optionalText,
    max_input_chars_per_word: v.nullish(wholeNumber(1)),
  }),
};

const model = v.lazy((value) => {
  const type = isObject(value) ? modelType(value) : undefined;
  const schema = isText(type) && Object.hasOwn(MODELS, type) ? MODELS[type] : undefined;
  return schema ?? rule<never>(`a model of type ${Object.keys(MODELS).join(", ")}`, () => false);
});

// ---------------------------------------------------------------- the files

const given = v.optional(truth);
const addedToken = {
  content: string,
  single_word: given,
  lstrip: given,
  rstrip: given,
  normalized: given,
  special: given,
};

/** Schema of tokenizer.json. */
export const tokenizerSchema: v.GenericSchema = v.looseObject({
  model,
  normalizer: v.nullish(normalizer),
  pre_tokenizer: v.nullish(preTokenizer),
  post_processor: v.nullish(postProcessor),
  decoder: v.nullish(decoder),
  added_tokens: v.nullish(
    withoutFault(v.array(v.looseObject({ ...addedToken, id })), (entries: { content: string }[]) => {
      const contents = new Set<string>();
      const twice = entries.find(({ content }) => contents.size === contents.add(content).size);
      return twice && `names ${shown(twice.content)} more than once`;
    }),
  ),
});

const isToken = (value: unknown) => isText(value) || (isObject(value) && isText(value.content));
const token = v.nullish(rule<unknown>('a text, or an object with the text "content"', isToken));
const tokenNames = Object.fromEntries(
  ["bos", "eos", "unk", "sep", "pad", "cls", "mask"].map((role) => [`${role}_token`, token]),
);

/** Schema of an object with any keys; valibot's record drops the key "__proto__", so that it is refused here. */
const recordOf = <T extends v.GenericSchema>(key: v.GenericSchema<string, string>, value: T) =>
  v.pipe(
    rule<Record<string, unknown>>(
      'an object without the key "__proto__"',
      (given) => isObject(given) && !Object.hasOwn(given, "__proto__"),
    ),
    v.record(key, value),
  );

/** Schema of tokenizer_config.json and special_tokens_map.json. */
export const tokenizerConfigSchema: v.GenericSchema = v.looseObject({
  ...tokenNames,
  additional_special_tokens: v.nullish(v.array(token)),
  added_tokens_decoder: v.nullish(
    recordOf(v.pipe(v.string(), v.regex(/^\d+$/, "must be an id")), v.looseObject(addedToken)),
  ),
  clean_up_tokenization_spaces: flag,
  remove_space: flag,
  do_lowercase_and_remove_accent: flag,
});

/** Schema of added_tokens.json. */
export const addedTokensSchema: v.GenericSchema = recordOf(v.string(), id);

/** An id, or a negative number for none. */
const idOrNone = v.nullish(rule<number>("the id of a token", (value) => Number.isSafeInteger(value)));

/** Schema of the special tokens in generation_config.json and config.json. */
export const specialIdsSchema: v.GenericSchema = v.looseObject({
  bos_token_id: idOrNone,
  pad_token_id: idOrNone,
  eos_token_id: v.nullish(rule<unknown>("the id of a token, or a list of ids", (value) => [value].flat().every(isId))),
});
