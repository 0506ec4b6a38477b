/** Trains the byte-level BPE tokenizer of the pocket models and writes it as a Hugging Face `tokenizer.json`. */
import { seededRandom } from "../../../lib/data/random";
import { ALPACA_TEMPLATE } from "../../../lib/data/template";
import { invertExample } from "../../../lib/data/transforms";
import { INSTRUCTION_PHRASES } from "./phrases";
import { randomDocument } from "./texts";

/** Number of tokens: special tokens, 256 byte tokens and learned merges. */
export const VOCABULARY_SIZE = 1024;
/** The special tokens; their positions here are their ids. */
export const SPECIAL_TOKENS = ["<unk>", "<s>", "</s>", "<pad>"];
const [UNK, BOS, EOS, PAD] = SPECIAL_TOKENS;
const DOCUMENTS = 20_000;
/** How often the words of the template and of instruction phrases are counted, so that each becomes a single token. */
const TEMPLATE_COUNT = 3_000;
const PHRASE_COUNT = 1_000;

/** GPT-2's pre-tokenization: a word includes the one space before it. */
const WORDS = /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu;

/** The printable character with which GPT-2 represents each byte. */
const BYTE_CHARACTERS: string[] = (() => {
  const printable = (byte: number): boolean =>
    (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(printable(byte) ? byte : next++));
})();

const toSymbols = (word: string): string[] => [...Buffer.from(word, "utf8")].map((byte) => BYTE_CHARACTERS[byte]);

function countWords(): Map<string, number> {
  const counts = new Map<string, number>();
  const add = (text: string, times: number): void => {
    for (const [word] of text.matchAll(WORDS)) counts.set(word, (counts.get(word) ?? 0) + times);
  };
  const random = seededRandom("tokenizer");
  for (let i = 0; i < DOCUMENTS; i++) add(randomDocument(random), 1);
  for (const text of [ALPACA_TEMPLATE.withInput, ALPACA_TEMPLATE.withoutInput])
    add(text.replace(/\{.*?\}/g, ""), TEMPLATE_COUNT);
  for (const input of ["", "The fox."])
    add(invertExample({ instruction: "", input, output: "" }).instruction, PHRASE_COUNT);
  for (const phrase of INSTRUCTION_PHRASES) add(phrase, PHRASE_COUNT);
  return counts;
}

/**
 * Learns `count` merges of byte-pair encoding. Each joins the pair that is most frequent at that point; of equally
 * frequent pairs, the first in code point order.
 */
function learnMerges(wordCounts: Map<string, number>, count: number): [string, string][] {
  const words = [...wordCounts].map(([word, times]) => ({ symbols: toSymbols(word), times }));
  const merges: [string, string][] = [];
  while (merges.length < count) {
    const pairs = new Map<string, number>();
    for (const { symbols, times } of words) {
      for (let i = 1; i < symbols.length; i++) {
        const pair = `${symbols[i - 1]} ${symbols[i]}`;
        pairs.set(pair, (pairs.get(pair) ?? 0) + times);
      }
    }
    let best = "",
      most = 0;
    for (const [pair, times] of pairs)
      if (times > most || (times === most && pair < best)) [best, most] = [pair, times];
    if (most === 0)
      throw new Error(
        `the texts allow only ${merges.length} of ${count} merges; use more texts or a smaller vocabulary`,
      );
    const [left, right] = best.split(" ");
    merges.push([left, right]);
    for (const word of words) {
      for (let i = 1; i < word.symbols.length; i++) {
        if (word.symbols[i - 1] === left && word.symbols[i] === right) word.symbols.splice(i - 1, 2, left + right);
      }
    }
  }
  return merges;
}

/**
 * Trains the tokenizer on generated documents, the Alpaca template and instruction phrases.
 * @returns the contents of `tokenizer.json` and `tokenizer_config.json`
 */
export function trainTokenizer(): { tokenizer: string; config: string } {
  const merges = learnMerges(countWords(), VOCABULARY_SIZE - SPECIAL_TOKENS.length - 256);
  const tokens = [...SPECIAL_TOKENS, ...[...BYTE_CHARACTERS].sort(), ...merges.map(([left, right]) => left + right)];
  const bosId = tokens.indexOf(BOS);
  const sequence = (id: "A" | "B") => [{ SpecialToken: { id: BOS, type_id: 0 } }, { Sequence: { id, type_id: 0 } }];
  const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true };
  const tokenizer = {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: SPECIAL_TOKENS.map((content, id) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: null,
    pre_tokenizer: byteLevel,
    post_processor: {
      type: "TemplateProcessing",
      single: sequence("A"),
      pair: [...sequence("A"), ...sequence("B")],
      special_tokens: { [BOS]: { id: BOS, ids: [bosId], tokens: [BOS] } },
    },
    decoder: byteLevel,
    model: {
      type: "BPE",
      dropout: null,
      unk_token: UNK,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges,
    },
  };
  const config = {
    tokenizer_class: "PreTrainedTokenizerFast",
    bos_token: BOS,
    eos_token: EOS,
    unk_token: UNK,
    pad_token: PAD,
    add_bos_token: true,
    clean_up_tokenization_spaces: false,
    model_max_length: 512,
  };
  return { tokenizer: `${JSON.stringify(tokenizer)}\n`, config: `${JSON.stringify(config, null, 2)}\n` };
}
