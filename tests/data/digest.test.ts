import assert from "node:assert/strict";
import { test } from "node:test";
import { examplesDigest, sha256 } from "../../lib/data/digest";

test("the digest of one part equals that of sha256sum", () => {
  assert.equal(sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  assert.equal(sha256(Uint8Array.of(97, 98, 99)), sha256("abc"));
  assert.equal(sha256("é"), sha256(Buffer.from("é", "utf8")));
});

test("the digest depends on the boundaries between parts", () => {
  assert.equal(
    new Set([sha256("ab", "c"), sha256("a", "bc"), sha256("abc"), sha256("abc", ""), sha256("", "abc")]).size,
    5,
  );
});

test("the digest of a dataset depends only on the three fields and the row order", () => {
  const rows = [
    { instruction: "a", input: "", output: "b" },
    { instruction: "c", input: "d", output: "e" },
  ];
  const digest = examplesDigest(rows);
  assert.match(digest, /^[0-9a-f]{64}$/);
  assert.equal(
    examplesDigest(rows.map(({ output, input, instruction }) => ({ output, id: 1, input, instruction }))),
    digest,
  );
  const otherDatasets = [
    [rows[1]!, rows[0]!],
    [rows[0]!],
    [{ ...rows[0]!, input: "b", output: "" }, rows[1]!],
    [...rows, rows[0]!],
  ];
  assert.equal(new Set([digest, ...otherDatasets.map(examplesDigest)]).size, 5);
  // run ids on disk depend on this digest: it must not change between versions
  assert.equal(digest, "82c9a853c4c054645dd9a62c55b4feb69d0ad1336d141e125510155c18f01b60");
});
