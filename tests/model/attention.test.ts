// Attention with windows and soft caps, and its gradient, against loops in double precision that are written here.
import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../../lib/data/random";
import { FULL_ATTENTION, type AttentionPattern } from "../../lib/model/block-context";
import { fused } from "../../lib/model/fused";
import {
  CachedLayout,
  DenseLayout,
  GroupedLayout,
  RowLayout,
  type InferenceLayout,
  type InferenceShape,
  type KeyValueCache,
  type PackedLayout,
} from "../../lib/model/layout";
import { tf, type Tensor } from "../../lib/model/tensorflow";
import { FusedTreeLayout, GroupedTreeLayout, type TreeLayout } from "../../lib/model/tree-layout";
import type { TokenTree } from "../../lib/model/token-tree";
import { Worst } from "./close";

interface Heads {
  heads: number;
  keyValueHeads: number;
  headSize: number;
}

const HEADS: Heads[] = [
  { heads: 4, keyValueHeads: 2, headSize: 4 },
  { heads: 8, keyValueHeads: 4, headSize: 8 },
  { heads: 3, keyValueHeads: 1, headSize: 20 },
  { heads: 6, keyValueHeads: 6, headSize: 48 },
  { heads: 9, keyValueHeads: 3, headSize: 64 },
  { heads: 1, keyValueHeads: 1, headSize: 128 },
];
const PATTERNS: AttentionPattern[] = [
  FULL_ATTENTION,
  { window: 1, softCap: null },
  { window: 7, softCap: null },
  { window: 64, softCap: null },
  { window: 512, softCap: null },
  { window: null, softCap: 2 },
  { window: 33, softCap: 5 },
];
const shown = ({ window, softCap }: AttentionPattern, { heads, keyValueHeads, headSize }: Heads) =>
  `window ${window}, soft cap ${softCap}, ${heads} heads, ${keyValueHeads} of keys, size ${headSize}`;

const random = seededRandom("attention");
/** Values from −1.5 to 1.5, times a factor, as rows. */
const rows = (count: number, size: number, factor = 1): Float32Array =>
  Float32Array.from({ length: count * size }, () => factor * (3 * random() - 1.5));
const matrix = (values: Float32Array, size: number): Tensor => tf.tensor2d(values, [values.length / size, size]);

/** Attention of one query head over keys and values given by their offsets; pushes what the gradient needs. */
function attendOne(
  [q, k, v]: ArrayLike<number>[],
  atQuery: number,
  atKeys: number[],
  size: number,
  softCap: number | null,
): { y: Float64Array; probabilities: number[]; slopes: number[] } {
  const raw = atKeys.map((at) => {
    let sum = 0;
    for (let d = 0; d < size; d++) sum += q[atQuery + d] * k[at + d];
    return sum;
  });
  const scores = softCap === null ? raw : raw.map((score) => softCap * Math.tanh(score / softCap));
  const slopes = scores.map((score) => (softCap === null ? 1 : 1 - (score / softCap) ** 2));
  const exponentials = scores.map(Math.exp);
  const total = exponentials.reduce((a, b) => a + b, 0);
  const probabilities = exponentials.map((e) => e / total);
  const y = new Float64Array(size);
  atKeys.forEach((at, j) => y.forEach((_, d) => (y[d] += probabilities[j] * v[at + d])));
  return { y, probabilities, slopes };
}

/** Attention over packed sequences and its gradients. */
function reference(
  [q, k, v, dy]: Float32Array[],
  lengths: number[],
  { heads, keyValueHeads, headSize }: Heads,
  { window, softCap }: AttentionPattern,
): Record<"y" | "dq" | "dk" | "dv", Float64Array> {
  const [queries, keys] = [heads * headSize, keyValueHeads * headSize];
  const result = {
    y: new Float64Array(q.length),
    dq: new Float64Array(q.length),
    dk: new Float64Array(k.length),
    dv: new Float64Array(k.length),
  };
  let start = 0;
  for (const length of lengths) {
    for (let t = 0; t < length; t++) {
      for (let head = 0; head < heads; head++) {
        const atQuery = (start + t) * queries + head * headSize;
        const own = Math.floor((head * keyValueHeads) / heads) * headSize;
        const atKeys: number[] = [];
        for (let s = 0; s <= t; s++) if (window === null || s > t - window) atKeys.push((start + s) * keys + own);
        const { y, probabilities, slopes } = attendOne([q, k, v], atQuery, atKeys, headSize, softCap);
        result.y.set(y, atQuery);
        const dP = atKeys.map((at) => y.reduce((sum, _, d) => sum + dy[atQuery + d] * v[at + d], 0));
        const along = dP.reduce((sum, value, j) => sum + value * probabilities[j], 0);
        atKeys.forEach((at, j) => {
          const dScore = probabilities[j] * (dP[j] - along) * slopes[j];
          for (let d = 0; d < headSize; d++) {
            result.dq[atQuery + d] += dScore * k[at + d];
            result.dk[at + d] += dScore * q[atQuery + d];
            result.dv[at + d] += probabilities[j] * dy[atQuery + d];
          }
        });
      }
    }
    start += length;
  }
  return result;
}

/** Sees the largest difference relative to the largest expected value, or to `least`. */
function compare(worst: Worst, actual: ArrayLike<number>, expected: Float64Array, where: string, least = 0): void {
  let [largest, difference] = [0, 0];
  expected.forEach((value, i) => {
    largest = Math.max(largest, Math.abs(value));
    const own = Math.abs(actual[i] - value);
    difference = own <= difference ? difference : own;
  });
  worst.see(difference / Math.max(largest, least), where);
}

const PACKED: Record<string, new (sequences: number[][], config: Heads) => PackedLayout> = {
  "in groups": GroupedLayout,
  ...(fused && { "over rows": RowLayout }),
};

for (const [kind, Layout] of Object.entries(PACKED)) {
  test(`attention ${kind} and its gradient: windows and soft caps as in double precision`, () => {
    const worst = new Worst("relative to the largest value");
    const lengths = [1, 9, 64, 150, 40, 65];
    const tokens = lengths.reduce((a, b) => a + b, 0);
    for (const config of HEADS) {
      const [queries, keys] = [config.heads * config.headSize, config.keyValueHeads * config.headSize];
      const scaled = rows(tokens, queries, 2 / Math.sqrt(config.headSize));
      const inputs = [scaled, ...[keys, keys, queries].map((size) => rows(tokens, size))];
      const layout = new Layout(
        lengths.map((length) => Array.from({ length }, (_, t) => t)),
        config,
      );
      const extra = layout.ids.length - tokens; // a row that represents padding
      const [q, k, v, dy] = inputs.map((values, i) => {
        const size = i === 0 || i === 3 ? queries : keys;
        return tf.concat([matrix(values, size), tf.zeros([extra, size])], 0);
      });
      for (const pattern of PATTERNS) {
        tf.tidy(() => {
          const expected = reference(inputs, lengths, config, pattern);
          const { y, saved } = layout.attend(q, k, v, pattern);
          const actual = { y, ...layout.attendGradient(dy, y, saved, pattern) };
          // With one position, the gradients of queries and keys are differences of equal sums over a head.
          const least = pattern.window === 1 ? config.headSize : 0;
          for (const part of ["y", "dq", "dk", "dv"] as const)
            compare(worst, actual[part].dataSync(), expected[part], `${part}, ${shown(pattern, config)}`, least);
        });
      }
    }
    worst.atMost(2e-6); // worst seen 9.3e-7
  });

  test(`attention ${kind} does not read the keys before all windows`, () => {
    const config = HEADS[0];
    const [length, sick, well] = [300, 50, 200];
    const layout = new Layout([Array.from({ length }, (_, t) => t)], config);
    const [queries, keys] = [config.heads * config.headSize, config.keyValueHeads * config.headSize];
    const pattern = { window: 20, softCap: 4 };
    const [q, dy] = [rows(length, queries), rows(length, queries)].map((values) => matrix(values, queries));
    const [k, v] = [rows(length, keys), rows(length, keys)].map((values) =>
      matrix(values.fill(NaN, 0, sick * keys), keys),
    );
    const { y, saved } = layout.attend(q, k, v, pattern);
    const slopes = layout.attendGradient(dy, y, saved, pattern);
    for (const x of [y, slopes.dq, slopes.dk, slopes.dv]) {
      assert.ok(Number.isNaN(x.dataSync()[0]));
      assert.ok(tf.slice(x, [well, 0]).dataSync().every(Number.isFinite));
    }
  });
}

const INFERENCE: Record<string, new (shape: InferenceShape, config: Heads) => InferenceLayout> = {
  "in groups": DenseLayout,
  ...(fused && { "over the cache": CachedLayout }),
};

for (const [kind, Layout] of Object.entries(INFERENCE)) {
  test(`cached attention ${kind}: windows and soft caps as in double precision, with padding`, () => {
    const worst = new Worst("relative to the largest value");
    const padding = [0, 3, 11];
    for (const config of HEADS) {
      const [queries, keys] = [config.heads * config.headSize, config.keyValueHeads * config.headSize];
      for (const pattern of PATTERNS) {
        for (const capacity of [undefined, 400])
          tf.tidy(() => {
            const history = padding.map(() => [[] as number[], [] as number[]]);
            let past: KeyValueCache | undefined;
            for (const length of [12, 1, 280, 1, 1, 5]) {
              const before = past?.length ?? 0;
              const layout = new Layout({ batch: padding.length, length, before, padding, capacity }, config);
              const q = rows(padding.length * length, queries, 2 / Math.sqrt(config.headSize));
              const [k, v] = [keys, keys].map((size) => rows(padding.length * length, size));
              history.forEach((lists, row) =>
                [k, v].forEach((values, i) => {
                  for (const value of values.subarray(row * length * keys, (row + 1) * length * keys))
                    lists[i].push(value);
                }),
              );
              // each layer attends within its own tidy
              const result = tf.tidy(
                () => layout.attend(matrix(q, queries), matrix(k, keys), matrix(v, keys), pattern, past) as never,
              ) as ReturnType<InferenceLayout["attend"]>;
              past = result.cache;
              const actual = result.y.dataSync();
              const expected = Float64Array.from(actual);
              padding.forEach((pad, row) => {
                for (let t = Math.max(0, pad - before); t < length; t += length > 100 ? 7 : 1) {
                  for (let head = 0; head < config.heads; head++) {
                    const own = Math.floor((head * config.keyValueHeads) / config.heads) * config.headSize;
                    const atQuery = (row * length + t) * queries + head * config.headSize;
                    const from = Math.max(pad, pattern.window === null ? 0 : before + t - pattern.window + 1);
                    const atKeys = Array.from({ length: before + t + 1 - from }, (_, j) => (from + j) * keys + own);
                    const inputs = [q, ...history[row]];
                    expected.set(attendOne(inputs, atQuery, atKeys, config.headSize, pattern.softCap).y, atQuery);
                  }
                }
              });
              compare(worst, actual, expected, `${before} + ${length} positions, ${shown(pattern, config)}`);
            }
          });
      }
    }
    worst.atMost(2e-6); // worst seen 1.3e-6
  });
}

const TREE: Record<string, new (tree: TokenTree, config: Heads, queries?: readonly number[]) => TreeLayout> = {
  "in groups": GroupedTreeLayout,
  ...(fused && { "over rows": FusedTreeLayout }),
};
/** Segments as [number of tokens, parent, number of queries]. */
const SEGMENTS = [
  [40, -1, 0],
  [9, 0, 9],
  [1, 0, 1],
  [130, 0, 120],
  [3, 3, 1],
  [17, 3, 17],
  [260, -1, 260],
  [1, -1, 1],
  [5, 7, 2],
];

for (const [kind, Layout] of Object.entries(TREE)) {
  test(`attention over a tree ${kind}: windows and soft caps as in double precision`, () => {
    const worst = new Worst("relative to the largest value");
    const first: number[] = [];
    const segments = SEGMENTS.map(([length, parent], i) => {
      first[i] = parent < 0 ? 0 : first[parent] + SEGMENTS[parent][0];
      return { ids: Array.from({ length }, (_, t) => t), parent, first: first[i] };
    });
    const queries = SEGMENTS.map(([, , own]) => own);
    const starts = SEGMENTS.map((_, i) => SEGMENTS.slice(0, i).reduce((sum, [length]) => sum + length, 0));
    const tokens = starts.at(-1)! + SEGMENTS.at(-1)![0];
    const count = queries.reduce((a, b) => a + b);
    /** rows of the tokens on the way to the end of a segment */
    const way = (segment: number): number[] =>
      segment < 0 ? [] : [...way(segments[segment].parent), ...segments[segment].ids.map((t) => starts[segment] + t)];
    for (const config of HEADS) {
      const [size, keySize] = [config.heads * config.headSize, config.keyValueHeads * config.headSize];
      const q = rows(count, size, 2 / Math.sqrt(config.headSize));
      const [k, v] = [keySize, keySize].map((width) => rows(tokens, width));
      for (const pattern of PATTERNS)
        tf.tidy(() => {
          const layout = new Layout({ segments, ends: [] }, config, queries);
          const actual = layout.attend(matrix(q, size), matrix(k, keySize), matrix(v, keySize), pattern).dataSync();
          const expected = new Float64Array(q.length);
          let query = 0;
          segments.forEach((_, segment) => {
            const keys = way(segment);
            for (let i = queries[segment]; i > 0; i--, query++) {
              const position = keys.length - i;
              assert.equal(layout.positions[query], position);
              const seen = keys.slice(
                pattern.window === null ? 0 : Math.max(0, position + 1 - pattern.window),
                position + 1,
              );
              for (let head = 0; head < config.heads; head++) {
                const own = Math.floor((head * config.keyValueHeads) / config.heads) * config.headSize;
                const atQuery = query * size + head * config.headSize;
                const atKeys = seen.map((row) => row * keySize + own);
                expected.set(attendOne([q, k, v], atQuery, atKeys, config.headSize, pattern.softCap).y, atQuery);
              }
            }
          });
          compare(worst, actual, expected, shown(pattern, config));
          const selected = layout
            .queryRows(
              matrix(
                Float32Array.from({ length: tokens }, (_, row) => row),
                1,
              ),
            )
            .dataSync();
          assert.deepEqual(
            [...selected],
            queries.flatMap((own, segment) => (own > 0 ? way(segment).slice(-own) : [])),
          );
        });
    }
    worst.atMost(2e-6); // worst seen 9.7e-7
  });
}

test("what a layout makes for a window is used again, and disposed with the layout", () => {
  const config = HEADS[0];
  const [queries, keys] = [config.heads * config.headSize, config.keyValueHeads * config.headSize];
  const [q, k, v] = [queries, keys, keys].map((size) => matrix(rows(300, size), size));
  const pattern = { window: 9, softCap: null };
  const attended = (layout: GroupedLayout) => tf.tidy(() => layout.attend(q, k, v, pattern).y);
  const run = () =>
    tf.tidy(() => {
      const layout = new GroupedLayout([Array.from({ length: 300 }, (_, t) => t)], config);
      const [first, once] = [attended(layout).dataSync(), tf.memory().numTensors];
      const [second, twice] = [attended(layout).dataSync(), tf.memory().numTensors];
      assert.deepEqual(first, second);
      assert.equal(twice - once, 1); // the second result
    });
  run(); // makes the scalars that all operations share
  const { numTensors } = tf.memory();
  run();
  assert.equal(tf.memory().numTensors, numTensors);
});

test("several layers add a position to their caches, each within its own tf.tidy", () => {
  const config = HEADS[0];
  const [queries, keys] = [config.heads * config.headSize, config.keyValueHeads * config.headSize];
  for (const Layout of Object.values(INFERENCE))
    tf.tidy(() => {
      const attend = (layout: InferenceLayout, length: number, past?: KeyValueCache) =>
        tf.tidy(() => {
          const [q, k, v] = [queries, keys, keys].map((size) => matrix(rows(length, size), size));
          return layout.attend(q, k, v, FULL_ATTENTION, past) as never;
        }) as ReturnType<InferenceLayout["attend"]>;
      const first = new Layout({ batch: 1, length: 3, before: 0, capacity: 8 }, config);
      const pasts = [attend(first, 3), attend(first, 3)].map(({ cache }) => cache);
      const next = new Layout({ batch: 1, length: 1, before: 3, capacity: 8 }, config);
      for (const past of pasts) assert.equal(attend(next, 1, past).cache.length, 4);
    });
});
