import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../../lib/data/random";
import { compareIds, tokenTree, type TokenTree } from "../../lib/model/token-tree";

/** The tokens on the way from the root to a segment's end. */
function wayTo({ segments }: TokenTree, segment: number): number[] {
  if (segment < 0) return [];
  const { ids, parent, first } = segments[segment];
  assert.ok(parent < segment, "a segment continues an earlier one");
  const before = wayTo({ segments, ends: [] }, parent);
  assert.equal(before.length, first);
  return [...before, ...ids];
}

test("a tree has every sequence, and each common beginning once", () => {
  const random = seededRandom("token tree");
  const below = (n: number) => Math.floor(random() * n);
  for (let round = 0; round < 300; round++) {
    const alphabet = 1 + below(3);
    const sequences = Array.from({ length: 1 + below(12) }, () =>
      Array.from({ length: 1 + below(8) }, () => below(alphabet)),
    );
    const prefixes = new Set(sequences.flatMap((ids) => ids.map((_, t) => ids.slice(0, t + 1).join())));
    const distinct = new Set(sequences.map((ids) => ids.join()));
    for (const isShared of [true, false]) {
      const tree = tokenTree(sequences, isShared);
      sequences.forEach((ids, i) => assert.deepEqual(wayTo(tree, tree.ends[i]), ids));
      const tokens = tree.segments.reduce((sum, { ids }) => sum + ids.length, 0);
      const lengths = [...distinct].map((ids) => ids.split(",").length);
      assert.equal(tokens, isShared ? prefixes.size : lengths.reduce((a, b) => a + b));
      if (!isShared) assert.equal(tree.segments.length, distinct.size);
    }
  }
});

test("sequences may continue one another as often as one likes", () => {
  const ids = Array.from({ length: 8000 }, (_, i) => i % 7);
  const { segments, ends } = tokenTree(ids.map((_, i) => ids.slice(0, i + 1)));
  assert.deepEqual(
    segments.map(({ parent }) => parent),
    ids.map((_, i) => i - 1),
  );
  assert.equal(ends.at(-1), 7999);
});

test("sequences are compared token by token; one comes after its beginning", () => {
  const sorted = [[1], [1, 2], [1, 2, 0], [1, 10], [2]];
  assert.deepEqual([...sorted].reverse().sort(compareIds), sorted);
  assert.equal(compareIds([3, 4], [3, 4]), 0);
});
