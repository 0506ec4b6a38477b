// Faults that training passes over in silence, each rebuilt as small data and named by the audit.
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { auditDataset, type Audit, type AuditOptions } from "../../lib/data/audit/audit";
import type { AuditKind } from "../../lib/data/audit/problems";
import { optimizerBatches } from "../../lib/data/batches";
import { encodeDataset } from "../../lib/data/encode";
import { AlignmentError, DataError } from "../../lib/data/errors";
import type { Example } from "../../lib/data/example";
import { chunked } from "../../lib/data/group";
import { lossCoefficients, NORMALIZERS } from "../../lib/data/normalizer";
import { checkAligned } from "../../lib/data/loss-weighting";
import { PARTS, type Part } from "../../lib/data/parts";
import { readJson } from "../../lib/data/read-json";
import { ALPACA_TEMPLATE } from "../../lib/data/template";
import { loadTokenizer } from "../../lib/data/tokenizer";
import { Worst } from "../model/close";
import { EXPECTED, FIXTURES } from "./fixtures";

const tokenizer = loadTokenizer(join(FIXTURES, "llama"));
const rowsOf = (name: string): Example[] => readJson(join(FIXTURES, "audit", name)) as Example[];
const examples = readJson(join(FIXTURES, "rows.json")) as Example[];
const audit = (name: string, options: Partial<AuditOptions> = {}): Audit =>
  auditDataset(rowsOf(name), tokenizer, { maxLength: 512, ...options });
const rowsWith = ({ problems }: Audit, kind: AuditKind): (number | undefined)[] =>
  problems.filter((problem) => problem.kind === kind).map(({ row }) => row);
const kindsOf = ({ problems }: Audit): string[] => [...new Set(problems.map(({ kind }) => kind))];

test("an answer that truncation loses whole, and one that it cuts, are named with what they lose", () => {
  const encoded = encodeDataset(rowsOf("prompt-too-long.json"), tokenizer, { maxLength: 140 });
  const found = audit("prompt-too-long.json", { maxLength: 140 });
  assert.deepEqual(encoded.withoutCompletion, [1]);
  assert.deepEqual(rowsWith(found, "answer-lost"), [1]);
  assert.deepEqual(rowsWith(found, "answer-cut"), [2]);
  assert.deepEqual(kindsOf(found), ["answer-lost", "answer-cut"], "its end is cut off too: that is no further problem");
  const lost = encoded.examples[1].lostCompletionTokens;
  assert.equal(found.problems[0].problem, `all of its ${lost} answer tokens are cut off at maxLength 140`);
  assert.ok(found.problems.every(({ losesLearning }) => losesLearning));
  assert.deepEqual(kindsOf(audit("prompt-too-long.json")), []);
});

test("rows that the truncation policy leaves out are named, and counted among no parts", () => {
  const all = audit("prompt-too-long.json", { maxLength: 140 });
  const dropped = audit("prompt-too-long.json", { maxLength: 140, truncation: "drop" });
  assert.deepEqual([rowsWith(dropped, "dropped"), dropped.trained, dropped.rows], [[1, 2], 1, 3]);
  assert.ok(dropped.tokens < all.tokens);
  const empty = audit("prompt-too-long.json", { maxLength: 140, dropEmpty: true });
  assert.deepEqual([rowsWith(empty, "dropped"), rowsWith(empty, "answer-cut")], [[1], [2]]);
});

test("duplicates, empty answers, doubled ends and rows that cannot be read are named by row", () => {
  const found = audit("twice.json");
  assert.deepEqual(rowsWith(found, "duplicate"), [2]);
  assert.deepEqual(rowsWith(found, "empty-answer"), [1]);
  assert.deepEqual(rowsWith(found, "doubled-special-token"), [3]);
  assert.deepEqual(rowsWith(found, "refused"), [4]);
  assert.match(found.problems[0].problem, /instruction is the number 7/);
  assert.deepEqual([found.rows, found.trained], [5, 4]);
  assert.deepEqual(
    found.problems.map(({ kind, losesLearning }) => [kind, losesLearning]),
    [
      ["refused", true],
      ["doubled-special-token", true],
      ["empty-answer", false],
      ["duplicate", false],
    ],
    "the worst first",
  );
});

test("a beginning of sequence in the template beside that of the tokenizer is named in every row", () => {
  const template = { ...ALPACA_TEMPLATE, name: "with BOS", withoutInput: `<s>${ALPACA_TEMPLATE.withoutInput}` };
  assert.deepEqual(rowsWith(audit("prompt-too-long.json", { template }), "doubled-special-token"), [0, 1, 2]);
});

test("an end without a weight is named; so are answers without one", () => {
  const end = audit("prompt-too-long.json", { partWeights: { end: 0 } });
  assert.deepEqual(rowsWith(end, "end-without-weight"), [0, 1, 2]);
  assert.match(end.problems[0].problem, /weight 0/);
  const none = audit("prompt-too-long.json", { completionWeight: 0 });
  assert.deepEqual(rowsWith(none, "nothing-to-learn"), [0, 1, 2]);
  assert.deepEqual(kindsOf(none), ["nothing-to-learn"]);
});

test("a marker that a search in token ids finds only at the start is named", () => {
  // As the tokenizer adds BOS, a marker encoded by itself begins with it, and so do no later turns.
  const rows = [{ instruction: "Turn: one\nTurn: two", input: "", output: "Turn: three" }];
  const template = { name: "bare", withInput: "{instruction}{input}", withoutInput: "{instruction}" };
  const { problems } = auditDataset(rows, tokenizer, { maxLength: 512, template, markers: ["Turn:"] });
  assert.equal(problems.length, 1);
  assert.equal(problems[0].kind, "marker-missed");
  assert.match(problems[0].problem, /stands 3 times in the text; encoded by itself it is found only at the start/);
});

test("counts and shares are those of the coefficients of training, batch by batch", () => {
  const plws = [0, 0.1, 2];
  const weighting = { completionWeight: 0.5, partWeights: { end: 2 } };
  const options = { maxLength: 160, batchSize: 3, microBatchSize: 2, seed: 5 };
  const found = auditDataset(examples, tokenizer, { ...options, ...weighting, plws, normalizers: NORMALIZERS });
  const encoded = encodeDataset(examples, tokenizer, { maxLength: 160 }).examples;
  const tokens = encoded.flatMap(({ parts }) => parts.slice(1)).length;
  assert.equal(found.tokens, tokens + encoded.length);
  assert.equal(
    found.parts.reduce((sum, part) => sum + part.tokens, 0),
    tokens,
  );
  const worst = new Worst("share of the loss"); // coefficients are float32; 1.3e-8 seen
  for (const normalizer of NORMALIZERS) {
    for (const plw of plws) {
      const sums = new Map<string, number>();
      for (const batch of optimizerBatches(encoded.length, 3, 0, 5)) {
        const rows = batch.map((row) => encoded[row]);
        const split = chunked([...rows.keys()], 2);
        const { perExample } = lossCoefficients(rows, { ...weighting, plw }, normalizer, split);
        for (const [i, coefficients] of perExample.entries()) {
          for (const [t, value] of coefficients.entries()) {
            const key = `${rows[i].parts[t + 1]} ${rows[i].completion[t + 1]}`;
            sums.set(key, (sums.get(key) ?? 0) + value);
          }
        }
      }
      const total = [...sums.values()].reduce((a, b) => a + b);
      const shares = found.shares.filter((share) => share.plw === plw && share.normalizer === normalizer);
      assert.equal(shares.length, sums.size);
      for (const { part, role, share } of shares) {
        const expected = sums.get(`${part} ${role === "completion"}`)! / total;
        worst.see(Math.abs(share - expected), `${normalizer} ${plw} ${part}`);
      }
    }
  }
  worst.atMost(1e-7);
});

test("the shares say what a weight does: none for the prompt at 0, all alike at 1", () => {
  const { parts, shares } = auditDataset(examples, tokenizer, { maxLength: 512, plws: [0, 1] });
  for (const { plw, part, role, share } of shares) {
    if (plw === 0 && role === "prompt") assert.equal(share, 0);
    const counted = parts.find((entry) => entry.part === part && entry.role === role)!;
    if (plw === 1) assert.ok(Math.abs(share - counted.share) < 1e-6, `${part}: ${share} for ${counted.share}`);
  }
  assert.ok(parts.every(({ part }) => PARTS.includes(part)));
});

test("rows whose parts cannot be told are refused where training refuses them, and counted nowhere", () => {
  // a tokenizer that tells what its tokens come from, but for the texts of two rows
  const blind = {
    ...tokenizer,
    align: (text: string, ids: readonly number[]) => {
      if (/blind/.test(text)) throw new AlignmentError("a blind text");
      return tokenizer.align!(text, ids);
    },
  };
  const row = (instruction: string): Example => ({ instruction, input: "", output: "Yes." });
  const rows = [row("Greet."), row("Say blind."), row("Add."), row("Say blind again.")];
  const options = { maxLength: 512 };
  const trained = (part: Part) => {
    const { examples } = encodeDataset(rows, blind, options);
    try {
      checkAligned(examples, { partWeights: { [part]: 0.5 } });
    } catch (error) {
      return (error as DataError).problems.map(({ row }) => row);
    }
    return [];
  };
  const free = auditDataset(rows, blind, { ...options, partWeights: { end: 2 } });
  assert.deepEqual([rowsWith(free, "parts-unknown"), rowsWith(free, "refused"), free.trained], [[1, 3], [], 4]);
  assert.deepEqual(trained("end"), []);
  const aligned = auditDataset([rows[0], rows[2]], tokenizer, { ...options, partWeights: { instruction: 0.5 } });
  for (const part of ["template", "instruction", "input"] as const) {
    const found = auditDataset(rows, blind, { ...options, partWeights: { [part]: 0.5 } });
    assert.deepEqual(rowsWith(found, "refused"), trained(part));
    assert.deepEqual([rowsWith(found, "parts-unknown"), found.rows, found.trained], [[], 4, 2]);
    assert.ok(found.problems.every(({ losesLearning }) => losesLearning));
    assert.match(
      found.problems[0].problem,
      new RegExp(`^the part weight of ${part} cannot be applied: .*a blind text`),
    );
    if (part === "instruction") assert.deepEqual([found.parts, found.shares], [aligned.parts, aligned.shares]);
  }
});

test("the longest rows come first", () => {
  const { longest } = auditDataset(examples, tokenizer, { maxLength: 512 });
  const lengths = EXPECTED.llama.rows.length;
  assert.equal(longest.length, Math.min(10, lengths));
  assert.ok(longest.every(({ tokens }, i) => i === 0 || tokens <= longest[i - 1].tokens));
});

test("a data set read in portions has the problems of one read at once", () => {
  const rows = Array.from({ length: 600 }, (_, i) =>
    i === 300
      ? ({ instruction: "lacks its output" } as Example)
      : { instruction: `Count ${i % 599}.`, input: "", output: `${i % 599}` },
  );
  const found = auditDataset(rows, tokenizer, { maxLength: 512 });
  assert.deepEqual([rowsWith(found, "refused"), rowsWith(found, "duplicate")], [[300], [599]]);
  assert.equal(found.trained, 599);
});

test("an option that is wrong is an error, not a problem of the rows", () => {
  for (const [wrong, word] of [
    [{ plws: [-1] }, /plws/],
    [{ plws: [0, 1, 0] }, /plws: names 0 more than once/],
    [{ normalizers: ["weights", "weights"] }, /normalizers: names weights more than once/],
    [{ normalizers: ["mean"] }, /normalizers/],
    [{ partWeights: { ends: 1 } }, /ends/],
    [{ maxLength: 1 }, /maxLength/],
    [{ markers: [""] }, /marker/],
    [{ truncation: "drop", dropEmpty: true }, /dropEmpty/],
  ] as [Partial<AuditOptions>, RegExp][])
    assert.throws(
      () => auditDataset(examples, tokenizer, { maxLength: 64, ...wrong }),
      (error) => error instanceof DataError && word.test(error.message),
      JSON.stringify(wrong),
    );
});
