import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { PythonRandom } from "../../lib/evaluate/python-random";

interface Case {
  seed: number;
  random: number[];
  below: number[];
  sample: [number, number, number[]][];
  shuffle: number[];
  choices: number[];
}
const cases = JSON.parse(readFileSync(join(__dirname, "fixtures", "random.json"), "utf8")) as Case[];

for (const expected of cases) {
  test(`draws the same numbers as CPython, seed ${expected.seed}`, () => {
    const random = new PythonRandom(expected.seed);
    assert.deepEqual(Array.from({ length: 700 }, () => random.random()).slice(-3), expected.random);
    assert.deepEqual(
      [1, 2, 3, 10, 1000, 2 ** 31 + 1].map((n) => random.below(n)),
      expected.below,
    );
    for (const [n, k, drawn] of expected.sample)
      assert.deepEqual(
        random.sample(
          Array.from({ length: n }, (_, i) => i),
          k,
        ),
        drawn,
        `sample(${n}, ${k})`,
      );
    const values = Array.from({ length: 12 }, (_, i) => i);
    random.shuffle(values);
    assert.deepEqual(values, expected.shuffle);
    assert.deepEqual(
      random.choices(
        Array.from({ length: 40 }, (_, i) => i),
        8,
      ),
      expected.choices,
    );
  });
}

test("rejects invalid seeds and sample sizes", () => {
  assert.throws(() => new PythonRandom(-1), /whole number/);
  assert.throws(() => new PythonRandom(0).sample([1], 2), /cannot draw 2 of 1/);
});
