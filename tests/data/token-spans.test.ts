// The characters that tokens come from, against the offsets of the Rust library. fixtures/make_token_spans.py makes the
// expected values.
import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { sha256 } from "../../lib/data/digest";
import { AlignmentError } from "../../lib/data/errors";
import { readExamples } from "../../lib/data/example";
import { tokenSpans } from "../../lib/data/token-spans";
import { loadTokenizer, type Tokenizer } from "../../lib/data/tokenizer";
import { needsShared, SHARED } from "../support/shared";
import { FIXTURES } from "./fixtures";

type Json = Record<string, unknown>;
interface Case {
  name: string;
  base: string;
  keys: Json;
  answers: { ids: number[]; spans: number[] }[];
}
const { texts, cases, rows } = JSON.parse(readFileSync(join(FIXTURES, "token-spans.json"), "utf8")) as {
  texts: string[];
  cases: Case[];
  rows: Record<string, string>;
};

const work = mkdtempSync(join(tmpdir(), "promptloss-spans-"));
after(() => rmSync(work, { recursive: true }));
let copies = 0;

/** A fixture tokenizer in which keys of tokenizer.json replace those of the file. */
function load({ base, keys }: Pick<Case, "base" | "keys">): Tokenizer {
  const dir = join(work, `copy${++copies}`);
  cpSync(join(FIXTURES, base), dir, { recursive: true });
  const path = join(dir, "tokenizer.json");
  writeFileSync(path, JSON.stringify({ ...(JSON.parse(readFileSync(path, "utf8")) as Json), ...keys }));
  return loadTokenizer(dir);
}

/** The library's Digits knows ASCII's alone: its ids of this text are not the Rust library's, which the spans are of. */
const OTHER_IDS = ["byte-level, digits, prefix space of each piece: ﬁne ① ＡＢ ｶﾞ ½"];

for (const expected of cases) {
  test(`${expected.name}: spans equal the Rust library's, and no text is refused`, () => {
    const tokenizer = load(expected);
    for (const [i, text] of texts.entries()) {
      const { ids, spans } = expected.answers[i]!;
      const found = tokenizer.encode(text);
      if (OTHER_IDS.includes(`${expected.name}: ${text}`)) assert.notDeepEqual(found, ids);
      else {
        assert.deepEqual(found, ids, JSON.stringify(text));
        assert.deepEqual(tokenSpans(tokenizer, text, ids).flat(), spans, JSON.stringify(text));
      }
      const plain = tokenizer.encode(text, { addSpecialTokens: false });
      const start = found.findIndex((_, at) => plain.every((id, k) => found[at + k] === id));
      assert.deepEqual(
        tokenSpans(tokenizer, text, plain),
        tokenSpans(tokenizer, text, found).slice(Math.max(start, 0), Math.max(start, 0) + plain.length),
        `without special tokens: ${JSON.stringify(text)}`,
      );
    }
  });

  const data = ["data", "alpaca", "alpaca_data_sample_9229.json"];
  if (expected.name in rows)
    test(`${expected.name}: so are those of 1,000 real rows`, needsShared(...data), () => {
      const tokenizer = load(expected);
      const spans = readExamples(join(SHARED, ...data))
        .slice(0, 1000)
        .map(({ instruction, input, output }) => `${instruction}\n${input}\n${output}`)
        .map((text) => tokenSpans(tokenizer, text, tokenizer.encode(text)).flat());
      assert.equal(sha256(JSON.stringify(spans)), rows[expected.name]);
    });
}

const json = (base: string) => JSON.parse(readFileSync(join(FIXTURES, base, "tokenizer.json"), "utf8")) as Json;
const refusal = (tokenizer: Tokenizer, text: string, ids: number[]): [string, number | undefined] => {
  try {
    tokenSpans(tokenizer, text, ids);
  } catch (error) {
    assert.ok(error instanceof AlignmentError);
    return [error.reason, error.at];
  }
  return ["nothing", undefined];
};

test("ids that are not those of the text are refused with the place", () => {
  const tokenizer = load({ base: "bytelevel", keys: {} });
  const text = "the bread 🦙";
  const ids = tokenizer.encode(text);
  assert.deepEqual(refusal(tokenizer, text, ids.slice(0, -1)), ["no token is not that of the text here", 10]);
  assert.deepEqual(refusal(tokenizer, text, [...ids, ids[0]!]), [
    `the token ${ids[0]} "th" comes after the end of the text`,
    text.length,
  ]);
  assert.match(refusal(tokenizer, "he bread", ids)[0], /^the token \d+ "th" is not that of the text here$/);
  assert.deepEqual(refusal(tokenizer, "", [99_999]), ['the token 99999 "" comes after the end of the text', 0]);
  assert.match(refusal(load({ base: "llama", keys: {} }), "a</s>", [1, 300, 277, 277])[0], /is not that of the text/);
});

test("a joined unknown token may end where a token with an unknown character begins: then it is refused", () => {
  // "é" is no token, but "éé" is: an unknown token and "éé" may both be meant
  const model = json("crossing").model as { vocab: Record<string, number> };
  const vocab = { a: 0, "▁": 1, "<unk>": 2, "</s>": 3, "<s>": 4, éé: 5 };
  const keys = {
    model: { ...model, vocab, merges: [], byte_fallback: false, fuse_unk: true },
    added_tokens: [{ id: 3, content: "</s>", special: true, normalized: false }],
    post_processor: null,
  };
  const tokenizer = load({ base: "crossing", keys });
  const spans = (text: string, ids: number[]) => tokenSpans(tokenizer, text, ids).slice(1);
  const texts = (text: string, ids: number[]) => spans(text, ids).map(([start, end]) => text.slice(start, end));
  assert.deepEqual(texts("éééa", [1, 2, 0]), ["ééé", "a"]);
  assert.deepEqual(texts("øéé", [1, 2, 5]), ["ø", "éé"]);
  assert.deepEqual(texts("øé</s>", [1, 2, 3]), ["øé", "</s>"]);
  const ambiguous = 'the token 2 "<unk>" may come from shorter or longer text';
  assert.deepEqual(refusal(tokenizer, "øéééa", [1, 2, 5, 0]), [ambiguous, 0]);
  assert.deepEqual(refusal(tokenizer, "øéééé", [1, 2, 5, 5]), [ambiguous, 0]);
});

test("characters that a model without an unknown token drops belong to no token", () => {
  const model = json("crossing").model as Json;
  const tokenizer = load({ base: "crossing", keys: { model: { ...model, byte_fallback: false, unk_token: null } } });
  const text = "日the日本 bread日";
  const spans = tokenSpans(tokenizer, text, tokenizer.encode(text));
  const covered = spans.slice(2).map(([start, end]) => text.slice(start, end));
  assert.equal(covered.join(""), "the bread");
});

test("what cannot be followed is refused by name", () => {
  const refused = (base: string, keys: Json) => {
    const tokenizer = load({ base, keys });
    return refusal(tokenizer, "the bread", tokenizer.encode("the bread"))[0];
  };
  const split = { type: "Split", pattern: { Regex: " " }, behavior: "Removed", invert: false };
  const bert = { type: "BertNormalizer", clean_text: true, handle_chinese_chars: true, lowercase: false };
  assert.equal(refused("llama", { normalizer: bert }), "the normalizer BertNormalizer cannot be followed");
  assert.equal(
    refused("llama", { pre_tokenizer: { type: "BertPreTokenizer" } }),
    "the pre-tokenizer BertPreTokenizer cannot be followed",
  );
  const bytes = { type: "ByteLevel", add_prefix_space: false, use_regex: false };
  const sequence = { type: "Sequence", pretokenizers: [split, bytes] };
  assert.equal(
    refused("bytelevel", { pre_tokenizer: sequence }),
    "the pre-tokenizer leaves out text that matches a pattern",
  );
  const model = json("llama").model as Json;
  assert.equal(
    refused("llama", { model: { ...model, end_of_word_suffix: "</w>" } }),
    "a model that marks the ends or the continuations of words cannot be followed",
  );
  const own: Tokenizer = { ...load({ base: "llama", keys: {} }), align: undefined };
  assert.equal(refusal(own, "a", [1])[0], "this tokenizer does not tell what its tokens come from");
});

test("the message of a refusal says where", () => {
  const tokenizer = load({ base: "bytelevel", keys: {} });
  assert.throws(
    () => tokenSpans(tokenizer, "the bread", tokenizer.encode("the bridge")),
    /^AlignmentError: tokens cannot be aligned with the text from character 3 on: the token \d+ "Ġbridge" is not that/,
  );
});
