import assert from "node:assert/strict";
import { test } from "node:test";
import { readScores } from "../../lib/analysis/read-scores";
import { observations } from "../../lib/analysis/observations";
import { csvFile } from "../support/csv-file";

const columns = { score: "Points", plw: "weight", dataset: "set", benchmark: "task", model: "llm" };

test("reads scores from named columns; types come from the paper's benchmarks by name, or from a column", () => {
  const path = csvFile(
    "llm,set,task,weight,Points,R_g,kind\n" +
      "m,s,PIQA,0,70.5,0.08,G_L\nm,s,arc_challenge,0.1,30,0.08,MC\nm,s,mine,1,3,0.08,G_S\n",
  );
  const rows = readScores(path, columns);
  assert.deepEqual(rows[0], {
    dataset: "s",
    benchmark: "PIQA",
    model: "m",
    plw: 0,
    generationRatio: null,
    type: "MC",
    score: 70.5,
  });
  assert.deepEqual(
    rows.map(({ type }) => type),
    ["MC", "MC", null],
  );
  const more = readScores(path, { ...columns, generationRatio: "R_g", type: "kind" });
  assert.deepEqual(
    more.map(({ type, generationRatio }) => [type, generationRatio]),
    [
      ["G_L", 0.08],
      ["MC", 0.08],
      ["G_S", 0.08],
    ],
  );
});

test("an invalid PLW, type or column is an error that names it", () => {
  const header = "llm,set,task,weight,Points,kind\n";
  assert.throws(
    () => readScores(csvFile(`${header}m,s,t,-0.1,1,MC\n`), columns),
    /row 1 \(index 0\), column "weight": "-0\.1" is not a prompt loss weight; give a number of at least 0/,
  );
  assert.throws(
    () => readScores(csvFile(`${header}m,s,t,0,1,mc\n`), { ...columns, type: "kind" }),
    /column "kind": "mc" is not a benchmark type; use MC, G_S or G_L/,
  );
  assert.throws(
    () => readScores(csvFile(`${header}m,s,t,0,1,MC\n`), { ...columns, model: "model" }),
    /there is no column "model"; the columns are "llm"/,
  );
});

test("observations are min-max scaled by data set, benchmark and arm; constant groups omitted", () => {
  const score = (benchmark: string, plw: number, value: number, normalizer?: string) => ({
    dataset: "s",
    benchmark,
    model: "m",
    plw,
    generationRatio: 2,
    type: null,
    score: value,
    ...(normalizer && { normalizer }),
  });
  const { rows, summary } = observations([
    score("a", 0, 10),
    score("a", 0.1, 30),
    score("a", 1, 20),
    score("b", 0, 5),
    score("b", 1, 5),
  ]);
  assert.deepEqual(
    rows.map(({ b, w, score: value }) => [b, w, value]),
    [
      ["a", 0, 0],
      ["a", 0.1, 1],
      ["a", 1, 0.5],
    ],
  );
  assert.deepEqual(rows[1], {
    dataset: "s",
    b: "a",
    m: "m",
    s: "0",
    w: 0.1,
    w_p: 0.1 ** 0.30103,
    r: 2,
    type: null,
    score: 1,
  });
  assert.match(summary, /^3 scores in 1 group of.*Left out.*s: b\.$/);
  assert.deepEqual(observations([]).rows, []);
  const both = [
    score("a", 0, 1, "weights"),
    score("a", 1, 2, "weights"),
    score("a", 1, 9, "tokens"),
    score("a", 0, 3, "tokens"),
    score("b", 0, 3, "tokens"),
  ];
  const arms = observations(both);
  assert.deepEqual(
    arms.rows.map(({ normalizer, w, score: value }) => [normalizer, w, value]),
    [
      ["weights", 0, 0],
      ["weights", 1, 1],
      ["tokens", 1, 1],
      ["tokens", 0, 0],
    ],
  );
  assert.equal(
    arms.summary,
    "4 scores in 2 groups of a data set and a benchmark in one arm, each from 0 (its lowest) to 1 (its highest); " +
      "2 arms: weights, tokens. Left out, since all scores of the group are the same and more items would be needed " +
      "to tell them apart: s (tokens): b.",
  );
  assert.match(observations(both.slice(0, 2)).summary, /\(its highest\); normalizer "weights"\.$/);
});
