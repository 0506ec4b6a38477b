import assert from "node:assert/strict";
import { test } from "node:test";
import type { StudyResults } from "../../lib/analysis/study-results";
import { observations } from "../../lib/analysis/observations";
import { fitRatios } from "../../lib/analysis/ratio-fits";
import { studyFigures, studyTables } from "../../lib/figures/study-figures";
import { loadStudy } from "../../lib/sweep/study-file";
import { CROSSED, factorRows } from "./factor-rows";

const rows = factorRows({ ...CROSSED, models: ["small"], seeds: [42] });
const observed = observations(rows.scores).rows;
const pocket = loadStudy("studies/pocket.json");

/** The results of a study with all of the rows. */
const full: StudyResults = {
  study: pocket,
  runs: [],
  scores: [],
  notEvaluated: "",
  rows: rows.scores,
  stability: rows.stability,
  distances: rows.distances,
  distanceParts: rows.distanceParts,
  memorization: rows.memorization,
  generationLengths: rows.generationLengths,
  datasets: [],
  tests: [],
  ratioFits: fitRatios(observed.filter(({ b }) => ["Pocket Facts", "Pocket Writing"].includes(b))),
  claims: [],
};
const nothing: StudyResults = {
  ...full,
  rows: [],
  stability: [],
  distances: [],
  distanceParts: [],
  memorization: [],
  generationLengths: [],
  ratioFits: fitRatios([]),
};
const PAPER = ["1", "2a", "2b", "2b-parts", "2c", "2d", "3", "4", "5", "6", "7", "8", "9"].map((n) => `figure${n}`);

test("all figures of the paper in its order, followed by the benchmarks that are not in it", () => {
  const { figures, missing, absent } = studyFigures(full);
  assert.deepEqual(
    figures.map(({ name }) => name),
    [...PAPER, "figure-others"],
  );
  assert.deepEqual([missing, absent], [[], ["weight-map"]]);
});

test("a study of both weights has a map of them, or says why not", () => {
  const study = { ...pocket, completionWeights: [1, 0.5] };
  const withoutRuns = studyFigures({ ...full, study });
  assert.deepEqual(
    [withoutRuns.missing.map(({ name }) => name), withoutRuns.absent],
    [["weight-map"], ["weight-map"]],
    "no run has the other weight",
  );
  assert.match(withoutRuns.missing[0].reason, /^The scores do not have several PLWs and several completion weights/);
  const both = rows.scores.flatMap((row) => [
    { ...row, completionWeight: 1 },
    { ...row, completionWeight: 0.5, score: row.score / 2 },
  ]);
  const { figures, absent } = studyFigures({ ...full, study, rows: both });
  assert.deepEqual(
    [figures.map(({ name }) => name), absent],
    [[...PAPER.slice(0, 12), "figure9", "weight-map", "figure-others"], []],
  );
});

test("every task of a study is in some figure of single benchmarks", () => {
  const { figures } = studyFigures(full);
  const parts = figures
    .filter(({ name }) => ["figure4", "figure5", "figure6", "figure-others"].includes(name))
    .flatMap((figure) => figure.rows.map(({ part }) => String(part)));
  for (const { benchmark } of rows.scores)
    assert.ok(
      parts.some((part) => part.includes(benchmark)),
      benchmark,
    );
});

test("a study without tasks, held-out rows or complete runs: each figure is missing for a reason", () => {
  const { figures, missing, absent } = studyFigures({ ...nothing, study: { ...pocket, tasks: [] } });
  assert.deepEqual(figures, []);
  assert.deepEqual(absent, [...PAPER, "figure-others", "weight-map"]);
  const reasons = Object.fromEntries(missing.map(({ name, reason }) => [name, reason]));
  const noTasks = "the study names no tasks";
  assert.deepEqual(reasons, {
    figure1: noTasks,
    figure2a: "no run has five steps in a row",
    figure2b: "no run has weights to measure",
    "figure2b-parts": "no run has weights to measure",
    figure2c: "memorization was not evaluated",
    figure2d: "no task of long generation in this study",
    figure3: noTasks,
    figure4: noTasks,
    figure5: noTasks,
    figure6: noTasks,
    figure7: noTasks,
    figure8: noTasks,
    figure9: noTasks,
  });
});

test("reasons name what could not be evaluated or fitted, and groups without a benchmark", () => {
  const failed = studyFigures({ ...nothing, notEvaluated: "piqa is left out: no data.\nmemorization failed: x." });
  const reasonOf = (result: { missing: { name: string; reason: string }[] }, figure: string) =>
    result.missing.find(({ name }) => name === figure)?.reason;
  const because = ": piqa is left out: no data. memorization failed: x";
  assert.equal(reasonOf(failed, "figure1"), `no run has scores on the study's tasks${because}`);
  assert.equal(reasonOf(failed, "figure2d"), `no answers to the tasks of long generation${because}`);

  const twoRatios = observed.filter(({ dataset, b }) => dataset !== "Long" && b === "Pocket Facts");
  const some = studyFigures({
    ...full,
    rows: rows.scores.filter(({ group }) => group === "I"),
    ratioFits: fitRatios(
      twoRatios.filter(({ variant, normalizer }) => variant === "lr 1e-4" && normalizer === "weights"),
    ),
  });
  const absent = ["figure3", "figure5", "figure6", "figure7", "figure8", "figure9", "figure-others", "weight-map"];
  assert.deepEqual(some.absent, absent);
  assert.equal(reasonOf(some, "figure5"), "no benchmark of group II was evaluated in this study");
  assert.match(
    reasonOf(some, "figure3")!,
    /^fit not possible: All: cannot be fitted\. column "r" has 2 distinct values; .*[^.]$/,
  );
  assert.match(reasonOf(some, "figure9")!, /^fit not possible: Gen: there are no scores of such benchmarks/);
});

test("own tasks only: the simple figures remain", () => {
  const own = rows.scores.filter(({ group }) => group === null);
  const { figures, missing } = studyFigures({ ...full, rows: own, ratioFits: fitRatios(observations(own).rows) });
  assert.deepEqual(
    missing.map(({ name }) => name),
    ["figure4", "figure5", "figure6", "figure8", "figure9"],
  );
  assert.equal(figures.at(-1)!.name, "figure-others");
});

test("tables of a study without results do not fail", () => {
  assert.equal(studyTables(nothing).length, 6);
});
