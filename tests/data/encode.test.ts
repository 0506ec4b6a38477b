import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { DataError } from "../../lib/data/errors";
import { encodeDataset, type EncodedDataset, type EncodedExample } from "../../lib/data/encode";
import { readExamples } from "../../lib/data/example";
import { loadTokenizer, type Tokenizer } from "../../lib/data/tokenizer";
import { lossWeights } from "../../lib/data/loss-weighting";
import { needsShared, SHARED } from "../support/shared";
import { EXPECTED, FIXTURES, TOKENIZERS } from "./fixtures";

const rows = readExamples(join(FIXTURES, "rows.json"));
const llama = loadTokenizer(join(FIXTURES, "llama"));

/** Number of leading tokens that are prompt; all later ones must be completion. */
function promptLength({ completion }: Pick<EncodedExample, "completion">): number {
  const count = completion.filter((isCompletion) => !isCompletion).length;
  assert.ok(!completion.slice(0, count).includes(true));
  return count;
}

for (const name of TOKENIZERS) {
  test(`${name}: ids, prompt lengths and truncated tokens equal the Rust library's`, () => {
    const { maxLength, rows: expected } = EXPECTED[name];
    const encoded = encodeDataset(rows, loadTokenizer(join(FIXTURES, name)), { maxLength });
    assert.deepEqual(
      encoded.examples.map(({ row, ids, completion, lostCompletionTokens }) => ({
        row,
        ids,
        promptLength: promptLength({ completion }),
        lostCompletionTokens,
      })),
      expected.map((row, i) => ({ row: i, ...row })),
    );
    assert.deepEqual(encoded.truncated, [1, 2, 5, 6]);
    assert.deepEqual(encoded.withoutCompletion, [1, 2, 6]);
    assert.deepEqual(encoded.dropped, []);
    assert.deepEqual(encoded.emptyCompletions, [3]);
  });
}

test("a row that fits is BOS, prompt, completion, EOS; an empty output has EOS alone as completion", () => {
  const { examples, truncated } = encodeDataset(rows, llama, { maxLength: 1000 });
  assert.deepEqual(truncated, []);
  for (const { ids, lostCompletionTokens } of examples) {
    assert.equal(ids[0], llama.bosId);
    assert.equal(ids.at(-1), llama.eosId);
    assert.equal(lostCompletionTokens, 0);
  }
  assert.deepEqual(examples[3]!.ids.slice(promptLength(examples[3]!)), [llama.eosId]);
  assert.match(
    llama.decode(examples[0]!.ids.slice(promptLength(examples[0]!))),
    /^Tovin sells the bread near the mill, and Mira buys it\.<\/s>$/,
  );
});

test("row lists, prompt lengths and loss weights agree at every maximum length", () => {
  const full = encodeDataset(rows, llama, { maxLength: 1000 }).examples;
  for (let maxLength = 2; maxLength < 200; maxLength++) {
    const encoded = encodeDataset(rows, llama, { maxLength });
    assert.deepEqual(
      encoded.truncated,
      full.filter(({ ids }) => ids.length > maxLength).map(({ row }) => row),
    );
    assert.deepEqual(
      encoded.withoutCompletion,
      full.filter((example) => promptLength(example) >= maxLength).map(({ row }) => row),
    );
    for (const example of encoded.examples) {
      const { row, ids, lostCompletionTokens } = example;
      const [prompt, fullPrompt] = [promptLength(example), promptLength(full[row]!)];
      assert.deepEqual(ids, full[row]!.ids.slice(0, maxLength));
      assert.equal(prompt, Math.min(fullPrompt, maxLength));
      assert.equal(ids.length - prompt + lostCompletionTokens, full[row]!.ids.length - fullPrompt);
      const weights = lossWeights(example, { plw: 0.25 });
      assert.equal(
        weights.reduce((a, b) => a + b),
        0.25 * (prompt - 1) + ids.length - prompt,
      );
    }
  }
});

test("policy drop leaves out exactly the rows whose completion is cut", () => {
  const encoded = encodeDataset(rows, llama, { maxLength: 140, truncation: "drop" });
  assert.deepEqual(encoded.dropped, [1, 2, 5, 6]);
  assert.deepEqual(encoded.truncated, [1, 2, 5, 6]);
  assert.deepEqual(
    encoded.examples.map(({ row }) => row),
    [0, 3, 4, 7],
  );
  assert.throws(
    () => encodeDataset(rows, llama, { maxLength: 20, truncation: "drop", name: "mine" }),
    /mine: truncation "drop" leaves no rows, because no completion fits into maxLength 20; raise maxLength/,
  );
});

test("dropEmpty leaves out exactly the rows of whose completion nothing is left", () => {
  const options = { maxLength: 24, name: "d" };
  const examples = [
    { instruction: "A ".repeat(40), input: "", output: "lost" },
    { instruction: "Say.", input: "", output: "x ".repeat(60) },
    { instruction: "Say.", input: "", output: "" },
  ];
  const template = { name: "bare", withInput: "{instruction} {input}", withoutInput: "{instruction}" };
  const all = encodeDataset(examples, llama, { ...options, template });
  assert.deepEqual([all.truncated, all.withoutCompletion, all.dropped], [[0, 1], [0], []]);
  const kept = encodeDataset(examples, llama, { ...options, template, dropEmpty: true });
  assert.deepEqual([kept.truncated, kept.withoutCompletion, kept.dropped], [[0, 1], [0], [0]]);
  assert.deepEqual(
    kept.examples,
    all.examples.slice(1),
    "the others are as before, partly cut and empty ones included",
  );
  assert.throws(
    () => encodeDataset(examples, llama, { ...options, truncation: "drop", dropEmpty: true }),
    /d: "dropEmpty" needs the truncation "truncate"/,
  );
  assert.throws(
    () => encodeDataset(examples.slice(0, 1), llama, { ...options, template, dropEmpty: true }),
    /d: dropEmpty leaves no rows, because no row has a completion token within maxLength 24/,
  );
});

test("policy error lists every row that does not fit, and accepts a dataset in which all rows fit", () => {
  assert.equal(encodeDataset(rows, llama, { maxLength: 1000, truncation: "error" }).examples.length, rows.length);
  assert.throws(
    () => encodeDataset(rows, llama, { maxLength: 140, truncation: "error", name: "mine.json" }),
    (error: DataError) => {
      assert.equal(
        error.message,
        "mine.json: 4 rows have a completion that does not fit into maxLength 140 " +
          "(3 of them lose the whole completion): row index 1, 2, 5, 6. " +
          'Raise maxLength, or choose truncation "truncate" or "drop".',
      );
      assert.deepEqual(
        error.problems.map(({ row, problem }) => [row, problem]),
        [
          [1, "is cut off completely"],
          [2, "is cut off completely"],
          [5, "is cut"],
          [6, "is cut off completely"],
        ],
      );
      return true;
    },
  );
});

test("invalid options are rejected by name", () => {
  for (const maxLength of [0, 1, -5, 2.5, NaN])
    assert.throws(
      () => encodeDataset(rows, llama, { maxLength }),
      /^DataError: encodeDataset: options: maxLength: must be a whole number of at least 2, got /,
    );
  assert.throws(
    () => encodeDataset(rows, llama, { maxLength: 100, truncation: "cut" as "drop" }),
    /truncation: must be one of truncate, drop, error, got "cut"/,
  );
  assert.throws(
    () => encodeDataset(rows, llama, { maxLength: 100, lenght: 3 } as never),
    /lenght: unknown key; known keys: maxLength, template, truncation, dropEmpty, name/,
  );
});

test("rows in which the template or the output doubles BOS or EOS are named", () => {
  const row = { instruction: "Say bread.", input: "", output: "bread" };
  const template = { name: "t", withInput: "{instruction} {input}", withoutInput: "{instruction}" };
  const given = [row, { ...row, output: "bread</s>" }, { ...row, output: "bread</s> more" }];
  assert.deepEqual(encodeDataset(given, llama, { maxLength: 100, template }).doubledSpecialTokens, [1]);
  const withBos = { ...template, withoutInput: "<s>{instruction}" };
  const encoded = encodeDataset(given, llama, { maxLength: 100, template: withBos });
  assert.deepEqual(encoded.doubledSpecialTokens, [0, 1, 2]);
  assert.deepEqual(encoded.examples[0].ids.slice(0, 2), [llama.bosId, llama.bosId]);
  // an end that the maximum length cuts off counts too: it is in the text
  assert.deepEqual(encodeDataset(given, llama, { maxLength: 4, template }).doubledSpecialTokens, [1]);
});

test("a token that merges prompt and completion counts as prompt", () => {
  // two characters per token: a prompt of odd length shares its last token with the completion
  const pairTokenizer: Tokenizer = {
    digest: "",
    vocabularySize: 10,
    eosId: 9,
    eosToken: "#",
    padId: 9,
    encode: (text) => Array.from(text.match(/#|[^#]{1,2}/g) ?? [], (token) => (token === "#" ? 9 : token.length)),
    decode: () => "",
  };
  const template = { name: "t", withInput: "{instruction}{input}", withoutInput: "{instruction}" };
  const { examples } = encodeDataset([{ instruction: "abc", input: "", output: "def" }], pairTokenizer, {
    maxLength: 9,
    template,
  });
  assert.deepEqual(examples, [
    {
      row: 0,
      ids: [2, 2, 2, 9],
      parts: ["instruction", "instruction", "assistant", "end"],
      messages: [0, 0, 1, 1],
      completion: [false, false, true, true],
      lostCompletionTokens: 0,
      unaligned: "tokens cannot be aligned with the text: this tokenizer does not tell what its tokens come from",
    },
  ]);
});

test("an end-of-sequence token appended by the tokenizer is neither duplicated nor left after the prompt", () => {
  const appendingTokenizer: Tokenizer = {
    ...llama,
    encode: (text, options) => [
      ...llama.encode(text, options),
      ...(options?.addSpecialTokens === false ? [] : [llama.eosId]),
    ],
  };
  assert.deepEqual(
    encodeDataset(rows, appendingTokenizer, { maxLength: 140 }),
    encodeDataset(rows, llama, { maxLength: 140 }),
  );
});

test(
  "real rows: ids, prompt lengths and truncation equal those of Transformers",
  needsShared("reference", "torch", "dev.json"),
  () => {
    interface Row {
      row: { output: string };
      ids: number[];
      n_prompt: number;
      truncated?: boolean;
      target_is_completion?: boolean[];
    }
    const {
      about,
      rows: expectedRows,
      edge_cases,
    } = JSON.parse(readFileSync(join(SHARED, "reference", "torch", "dev.json"), "utf8")) as {
      about: { row_index: number[]; max_length: number };
      rows: Row[];
      edge_cases: { cases: { row_index: number[]; rows: Row[] }[] };
    };
    const all = readExamples(join(SHARED, "data", "alpaca", "alpaca_data_sample_9229.json"));
    const tokenizer = loadTokenizer(join(SHARED, "models", "stories260K"));
    const compare = (indices: number[], expectedRows: Row[]): EncodedDataset => {
      const encoded = encodeDataset(
        indices.map((row) => all[row]!),
        tokenizer,
        { maxLength: about.max_length },
      );
      for (const [i, row] of expectedRows.entries()) {
        const example = encoded.examples[i]!;
        assert.deepEqual(example.ids, row.ids);
        assert.equal(promptLength(example), row.n_prompt);
        if (row.truncated !== undefined) assert.equal(encoded.truncated.includes(i), row.truncated);
        // the reference targets start at token 1
        if (row.target_is_completion)
          assert.deepEqual(
            Array.from(lossWeights(example, { plw: 0 }), (weight) => weight === 1).slice(1),
            row.target_is_completion.map(Boolean),
          );
      }
      return encoded;
    };
    assert.equal(expectedRows.length, 8);
    compare(about.row_index, expectedRows);
    const edge = edge_cases.cases[0]!;
    const { withoutCompletion, emptyCompletions } = compare(edge.row_index, edge.rows);
    assert.deepEqual(
      [withoutCompletion, emptyCompletions],
      [[0], [1]],
      "a prompt as long as the maximum length; an empty output",
    );
  },
);

test("9,229 real rows: 325 lose the whole completion at 256 tokens", needsShared("data", "alpaca"), () => {
  const all = readExamples(join(SHARED, "data", "alpaca", "alpaca_data_sample_9229.json"));
  const encoded = encodeDataset(all, loadTokenizer(join(SHARED, "models", "stories260K")), { maxLength: 256 });
  assert.equal(encoded.withoutCompletion.length, 325);
  assert.deepEqual(encoded.emptyCompletions, [1461, 3587, 6234, 8990]);
});
