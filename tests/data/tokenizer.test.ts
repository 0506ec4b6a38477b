import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { readExamples } from "../../lib/data/example";
import { checkVocabulary, loadTokenizer } from "../../lib/data/tokenizer";
import { needsShared, SHARED } from "../support/shared";
import { EXPECTED, FIXTURES, TOKENIZERS } from "./fixtures";

for (const name of TOKENIZERS) {
  const expected = EXPECTED[name];
  const tokenizer = loadTokenizer(join(FIXTURES, name));

  test(`${name}: ids equal the Rust library's`, () => {
    for (const [i, text] of EXPECTED.texts.entries()) {
      assert.deepEqual(
        tokenizer.encode(text, { addSpecialTokens: false }),
        expected.ids[i],
        `plain ${JSON.stringify(text)}`,
      );
      assert.deepEqual(
        tokenizer.encode(text),
        expected.idsWithSpecialTokens[i],
        `with special tokens ${JSON.stringify(text)}`,
      );
    }
  });

  test(`${name}: decoded texts equal the Rust library's`, () => {
    for (const [i, ids] of expected.ids.entries()) {
      assert.equal(tokenizer.decode(ids), expected.decoded[i]);
      assert.equal(tokenizer.decode(ids, { skipSpecialTokens: true }), expected.decodedWithoutSpecialTokens[i]);
    }
  });

  test(`${name}: vocabulary and special tokens`, () => {
    assert.equal(tokenizer.vocabularySize, expected.vocabularySize);
    assert.equal(tokenizer.eosId, expected.eosId);
    assert.deepEqual(
      tokenizer.encode(`bread${tokenizer.eosToken}`, { addSpecialTokens: false }).at(-1),
      expected.eosId,
    );
    const [bos, pad, eosToken] = name === "bytelevel" ? [undefined, 1, "<eos>"] : [1, 2, "</s>"];
    assert.equal(tokenizer.bosId, bos);
    assert.equal(tokenizer.padId, pad, "its own pad token, else EOS");
    assert.equal(tokenizer.eosToken, eosToken);
  });
}

const work = mkdtempSync(join(tmpdir(), "promptloss-tokenizer-"));
after(() => rmSync(work, { recursive: true }));
let copies = 0;

/** Copies a fixture directory with some files replaced; null deletes a file. Returns the path of the copy. */
function fixtureVariant(name: string, files: Record<string, object | string | null>): string {
  const dir = join(work, `copy${++copies}`);
  cpSync(join(FIXTURES, name), dir, { recursive: true });
  for (const [file, content] of Object.entries(files)) {
    if (content === null) rmSync(join(dir, file));
    else writeFileSync(join(dir, file), typeof content === "string" ? content : JSON.stringify(content));
  }
  return dir;
}
const llamaJson = (): Record<string, unknown> =>
  JSON.parse(readFileSync(join(FIXTURES, "llama", "tokenizer.json"), "utf8")) as Record<string, unknown>;

test("special tokens come from special_tokens_map.json, then generation_config.json, then config.json", () => {
  const map = loadTokenizer(
    fixtureVariant("llama", {
      "tokenizer_config.json": null,
      "special_tokens_map.json": { bos_token: "<s>", eos_token: { content: "</s>" } },
    }),
  );
  assert.deepEqual([map.bosId, map.eosId], [1, 2]);
  const ids = loadTokenizer(
    fixtureVariant("llama", {
      "tokenizer_config.json": { eos_token: null },
      "generation_config.json": { eos_token_id: [2, 7] },
      "config.json": { bos_token_id: 1, eos_token_id: 0, pad_token_id: 0 },
    }),
  );
  assert.deepEqual([ids.bosId, ids.eosId, ids.eosToken], [1, 2, "</s>"]);
  assert.equal(ids.padId, 2, "a model's pad id is not the tokenizer's pad token, as in Transformers");
});

test("an EOS token that is in the vocabulary only is recognized in texts, as in Transformers", () => {
  const json = llamaJson();
  json.added_tokens = [];
  const tokenizer = loadTokenizer(fixtureVariant("llama", { "tokenizer.json": json }));
  assert.deepEqual(
    tokenizer.encode("ends</s>"),
    EXPECTED.llama.idsWithSpecialTokens[EXPECTED.texts.indexOf("ends</s>")],
  );
});

test("a token added only by tokenizer_config.json is recognized", () => {
  const dir = fixtureVariant("llama", {
    "tokenizer_config.json": {
      eos_token: "</s>",
      added_tokens_decoder: { 420: { content: "<|user|>", special: true } },
    },
  });
  const tokenizer = loadTokenizer(dir);
  assert.equal(tokenizer.vocabularySize, 421);
  assert.deepEqual(tokenizer.encode("<|user|>", { addSpecialTokens: false }), [420]);
});

test("the digest depends on tokenizer.json and the special tokens, not on the rest of the config", () => {
  const digest = loadTokenizer(join(FIXTURES, "llama")).digest;
  assert.match(digest, /^[0-9a-f]{64}$/);
  assert.equal(
    loadTokenizer(
      fixtureVariant("llama", {
        "tokenizer_config.json": { bos_token: "<s>", eos_token: "</s>", unk_token: "<unk>", model_max_length: 99 },
      }),
    ).digest,
    digest,
  );
  assert.notEqual(
    loadTokenizer(fixtureVariant("llama", { "tokenizer_config.json": { bos_token: "<s>", eos_token: "<unk>" } }))
      .digest,
    digest,
  );
  assert.notEqual(loadTokenizer(join(FIXTURES, "crossing")).digest, digest);
});

test("invalid tokenizer directories are rejected with the reason", () => {
  assert.throws(() => loadTokenizer(join(work, "nowhere")), /nowhere: there is no tokenizer\.json here/);
  assert.throws(
    () => loadTokenizer(fixtureVariant("llama", { "tokenizer.json": '{\n  "model": oops}' })),
    /tokenizer\.json: not valid JSON at line 2, column 12: found "oops}"/,
  );
  assert.throws(
    () => loadTokenizer(fixtureVariant("llama", { "tokenizer.json": { added_tokens: [] } })),
    /not a tokenizer file: it has no "model"/,
  );
  assert.throws(
    () =>
      loadTokenizer(
        fixtureVariant("llama", { "tokenizer.json": { ...llamaJson(), normalizer: { type: "Nonsense" } } }),
      ),
    /tokenizer\.json: normalizer: must be an object with one of the types Sequence, BertNormalizer.* got .*Nonsense/,
  );
  assert.throws(
    () => loadTokenizer(fixtureVariant("llama", { "tokenizer_config.json": {} })),
    /no end-of-sequence token is defined; name it as "eos_token"/,
  );
  assert.throws(
    () => loadTokenizer(fixtureVariant("llama", { "added_tokens.json": { "<|user|>": 500 } })),
    /added_tokens\.json: gives "<\|user\|>" the id 500, but it would be 420, the next free one/,
  );
  assert.throws(
    () => loadTokenizer(fixtureVariant("llama", { "tokenizer.json": { ...llamaJson(), added_tokens: 0 } })),
    /tokenizer\.json: added_tokens: Invalid type: Expected Array/,
  );
  assert.throws(
    () =>
      loadTokenizer(fixtureVariant("llama", { "tokenizer_config.json": null, "config.json": { eos_token_id: 300 } })),
    /\(id 300\) is not encoded as one token within a text/,
  );
  assert.throws(
    () => loadTokenizer(fixtureVariant("llama", { "tokenizer_config.json": "[]" })),
    /tokenizer_config\.json: the file must hold a JSON object/,
  );
});

test("what the Rust library would not read is refused by its place, and nothing is read as something else", () => {
  const json = llamaJson() as {
    model: { vocab: Record<string, unknown>; merges: unknown[] };
    added_tokens: object[];
    post_processor: object;
  };
  const { model, added_tokens: added, post_processor: template } = json;
  const withModel = (change: object) => ({ ...json, model: { ...model, ...change } });
  const wrong: [object, RegExp][] = [
    [withModel({ vocab: { ...model.vocab, a: "5" } }), /model\.vocab: gives "a" the id "5"/],
    [withModel({ vocab: { ...model.vocab, a: 1e9 } }), /model\.vocab: gives "a" the id 1000000000/],
    [withModel({ vocab: { ...model.vocab, "a new one": 5 } }), /model\.vocab: gives .* and "a new one" the same id 5/],
    [withModel({ merges: [["t"]] }), /model: merges: entry 1 is no pair of tokens/],
    [
      withModel({ merges: [...model.merges, ["é", "é"]] }),
      /model: merges: entry \d+ needs "é+", which is not in the voc/,
    ],
    [withModel({ byte_fallback: "yes" }), /model\.byte_fallback: must be true or false, got "yes"/],
    [withModel({ type: "Other" }), /model: must be a model of type BPE, Unigram, WordPiece/],
    [{ ...json, pre_tokenizer: 5 }, /pre_tokenizer: must be an object with one of the types/],
    [
      { ...json, decoder: { type: "Strip", content: " ", start: -1 } },
      /decoder\.start: must be a whole number of at least 0/,
    ],
    [
      { ...json, post_processor: { type: "TemplateProcessing", single: "A" } },
      /post_processor\.single: must be a list/,
    ],
    [
      { ...json, post_processor: { ...template, special_tokens: { "<s>": { id: "<s>", ids: [2], tokens: ["<s>"] } } } },
      /post_processor: its special token "<s>" has the ids \[2\], but in the vocabulary 1/,
    ],
    [{ ...json, added_tokens: [added[0], added[0]] }, /added_tokens: names "<unk>" more than once/],
    [{ ...json, added_tokens: [{ ...added[0], special: 1 }] }, /added_tokens\.0\.special: must be true or false/],
    [{ ...json, added_tokens: [...added, { id: 7, content: "<new>" }] }, /gives "<new>" the id 7, but it would be 420/],
  ];
  for (const [content, message] of wrong)
    assert.throws(() => loadTokenizer(fixtureVariant("llama", { "tokenizer.json": content })), message);
  for (const ids of ["2", [2, 1.5], [[2]], -1, [null]])
    assert.throws(
      () => loadTokenizer(fixtureVariant("llama", { "generation_config.json": { eos_token_id: ids } })),
      /generation_config\.json: eos_token_id: must be the id of a token, or a list of ids/,
    );
  assert.throws(
    () => loadTokenizer(fixtureVariant("llama", { "tokenizer_config.json": { eos_token: 2 } })),
    /tokenizer_config\.json: eos_token: must be a text, or an object with the text "content", got 2/,
  );
});

test("an empty list of ids decodes to an empty text", () => {
  const tokenizer = loadTokenizer(join(FIXTURES, "llama"));
  assert.equal(tokenizer.decode([]), "");
  assert.equal(tokenizer.decode([1, 2], { skipSpecialTokens: true }), "");
});

test("a tokenizer with more ids than the model has embeddings is rejected", () => {
  const tokenizer = loadTokenizer(join(FIXTURES, "llama"));
  assert.doesNotThrow(() => checkVocabulary(tokenizer, 420, "pocket-1"));
  assert.throws(
    () => checkVocabulary(tokenizer, 419, "pocket-1"),
    /pocket-1: the tokenizer has ids up to 419, but the model has only 419 embeddings/,
  );
  const named = fixtureVariant("llama", { "tokenizer_config.json": { eos_token: "<end>" } });
  assert.throws(() => checkVocabulary(loadTokenizer(named), 420, "pocket-1"), /name no special token in its config/);
  // a surplus token without a role, as that of images in Gemma 3, occurs only where it is written out
  const surplus = loadTokenizer(fixtureVariant("llama", { "added_tokens.json": { "<image>": 420 } }));
  assert.deepEqual(surplus.encode("<image>", { addSpecialTokens: false }).slice(-1), [420]);
  assert.doesNotThrow(() => checkVocabulary(surplus, 420, "pocket-1"));
});

test("generation ends at each end token that the configs list", () => {
  const ending = (files: Record<string, object>) => loadTokenizer(fixtureVariant("llama", files)).endIds;
  assert.deepEqual(ending({}), [2]);
  assert.deepEqual(
    ending({ "generation_config.json": { eos_token_id: [2, 410] }, "config.json": { eos_token_id: 7 } }),
    [2, 410],
  );
  assert.deepEqual(ending({ "config.json": { eos_token_id: 7 } }), [2, 7]);
});

test("stories260K: ids equal the Rust library's", needsShared("reference", "tokens", "vectors_tok512.json"), () => {
  const tokenizer = loadTokenizer(join(SHARED, "models", "stories260K"));
  const { texts, ids } = JSON.parse(
    readFileSync(join(SHARED, "reference", "tokens", "vectors_tok512.json"), "utf8"),
  ) as { texts: string[]; ids: number[][] };
  assert.equal(texts.length, 106);
  for (const [i, text] of texts.entries())
    assert.deepEqual(tokenizer.encode(text, { addSpecialTokens: false }), ids[i], JSON.stringify(text));
  assert.deepEqual([tokenizer.vocabularySize, tokenizer.bosId, tokenizer.eosId, tokenizer.padId], [512, 1, 2, 2]);
});

test("stories260K: decoding restores real Alpaca texts", needsShared("data", "alpaca"), () => {
  const tokenizer = loadTokenizer(join(SHARED, "models", "stories260K"));
  for (const { output } of readExamples(join(SHARED, "data", "alpaca", "alpaca_data_sample_9229.json")).slice(0, 300)) {
    assert.equal(tokenizer.decode(tokenizer.encode(output, { addSpecialTokens: false })), output);
  }
});
