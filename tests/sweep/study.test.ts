import assert from "node:assert/strict";
import { join } from "node:path";
import test from "node:test";
import { PAPER_WEIGHTS } from "../../lib/data/prompt-loss-weight";
import { studyExamples, wantedRuns } from "../../lib/sweep/study";
import { loadStudy, parseStudy } from "../../lib/sweep/study-file";
import { QUICK, readJson, temporaryFolder, tinyExamples, tinyModel, writeJson } from "../runs/world";

const dir = temporaryFolder();
const model = tinyModel(join(dir, "model"), 1);
const data = writeJson(join(dir, "data.json"), tinyExamples(10, 1));
const valid = {
  "//": "a comment",
  name: "test",
  models: { "//": "another", tiny: model },
  datasets: {
    One: { path: data },
    Short: { from: "One", transform: "invertLongCompletions" },
    Less: { from: "Short", transform: "toGenerationRatio", target: 0.6 },
  },
};

test("a study's defaults are the paper's", () => {
  const study = parseStudy(valid, "test");
  assert.deepEqual(study.plws, [...PAPER_WEIGHTS]);
  assert.deepEqual(
    [study.normalizers, study.seeds, study.truncation, study.template.name],
    [["weights"], [42], "truncate", "alpaca"],
  );
  assert.equal(wantedRuns(study).length, 30);
  assert.equal(studyExamples(study, "Short").length, 10);
  assert.throws(() => studyExamples(study, "Long"), /has no data set "Long"; its data sets are One, Short, Less/);
});

test("everything that is wrong is listed, by field", () => {
  const wrong = {
    ...valid,
    wieghts: [0],
    models: { tiny: join(dir, "nowhere") },
    plws: [0.1, -1],
    normalizers: ["mean"],
    seeds: [1.5],
    truncation: "cut",
    datasets: {
      Gone: { path: join(dir, "gone.json") },
      Loop: { from: "Loop2", transform: "invertLongCompletions" },
      Loop2: { from: "Loop", transform: "invertLongCompletions" },
      Typo: { path: data, transfrom: "x" },
      Orphan: { from: "None", transform: "invertLongCompletions" },
      Ratio: { from: "Typo", transform: "toGenerationRatio", target: -1 },
    },
    hyperparameters: { ...QUICK, learningrate: 1 },
    template: { name: "x", withInput: "{instruction}", withoutInput: "{instruction}" },
  };
  assert.throws(
    () => parseStudy(wrong, "wrong.json"),
    (error: Error) => {
      for (const part of [
        "wieghts: unknown key; known keys: name, ",
        "models.tiny: ",
        "nowhere",
        "plws.1: must be a finite number of at least 0, got -1",
        'normalizers.0: must be one of weights, tokens, completion, sequence, got "mean"',
        "seeds.0: must be an integer, got 1.5",
        'truncation: must be one of truncate, drop, error, got "cut"',
        "datasets.Gone.path: ",
        "gone.json does not exist",
        "datasets.Loop: made from itself: Loop from Loop2 from Loop",
        "datasets.Typo.transfrom: unknown key",
        'datasets.Orphan: no data set of this study is called "None"',
        "datasets.Ratio.target: must be a number above 0, got -1",
        "hyperparameters.learningrate: unknown key; known keys: learningRate, ",
        "template.withInput: must be a text that contains {instruction} and {input}",
      ]) {
        assert.ok(error.message.includes(part), `${part} is missing in\n${error.message}`);
      }
      return true;
    },
  );
  assert.throws(
    () => parseStudy({ ...valid, hyperparameters: { epochs: 0 } }, "wrong.json"),
    /wrong\.json: hyperparameters\.epochs: must be a whole number of at least 1, got 0/,
  );
  assert.throws(() => loadStudy(join(dir, "none.json")), /none\.json: there is no such study file/);
});

test("the old key weights is read as plws; both at once are refused", () => {
  assert.deepEqual(parseStudy({ ...valid, weights: [0, 0.1] }, "old").plws, [0, 0.1]);
  assert.deepEqual(parseStudy({ ...valid, plws: "paper" }, "new").plws, [...PAPER_WEIGHTS]);
  const oldCell = { ...parseStudy(valid, "new"), weights: [0, 0.03] };
  assert.throws(() => wantedRuns(oldCell), /unknown key "weights"; prompt loss weights are in "plws"/);
  assert.throws(() => parseStudy({ ...valid, weights: [0], plws: [0] }, "both"), /both "plws" and "weights".*keep one/);
});

test("names that JavaScript objects treat specially are refused, not dropped", () => {
  const datasets = JSON.parse(
    `{ "__proto__": { "path": ${JSON.stringify(data)} }, "One": { "path": ${JSON.stringify(data)} } }`,
  ) as object;
  assert.throws(() => parseStudy({ ...valid, datasets }, "names"), /datasets\.__proto__: cannot be used as a name/);
});

test("the study files of this repository ask for what they say, with files in place", () => {
  const studies = join(__dirname, "..", "..", "studies");
  for (const name of ["pocket", "paper", "template"]) {
    const json = readJson<typeof valid>(join(studies, `${name}.json`));
    // their models and data may not be here: every path is replaced by one that is
    const models = Object.fromEntries(
      Object.keys(json.models)
        .filter((key) => key !== "//")
        .map((key) => [key, model]),
    );
    const datasets = Object.fromEntries(
      Object.entries(json.datasets).map(([key, value]) => [
        key,
        typeof value === "object" && "path" in value ? { path: data } : value,
      ]),
    );
    const study = parseStudy({ ...json, models, datasets }, name);
    assert.equal(wantedRuns(study).length, name === "template" ? 12 : 100, name);
  }
});
