import assert from "node:assert/strict";
import { join } from "node:path";
import test from "node:test";
import { PAPER_WEIGHTS } from "../../lib/data/prompt-loss-weight";
import { loadStudy, parseStudy, studyExamples, wantedRuns } from "../../lib/sweep/study";
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
  assert.throws(() => studyExamples(study, "Long"), /has no dataset "Long"; it has One, Short, Less/);
});

test("everything that is wrong is listed, by field", () => {
  const wrong = {
    ...valid,
    wieghts: [0],
    models: { tiny: join(dir, "nowhere") },
    weights: [0.1, -1],
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
        "wieghts: unknown",
        "models.tiny: ",
        "nowhere",
        "weights: prompt loss weight (plw): -1",
        'normalizer "mean" is unknown; it is one of weights, tokens',
        "seeds: 1.5",
        'truncation: "cut" is unknown',
        "datasets.Gone: ",
        "gone.json is not there",
        "made from itself: Loop from Loop2 from Loop",
        "datasets.Typo.transfrom: unknown",
        'datasets.Orphan: no dataset of this study is called "None"',
        "datasets.Ratio: target -1",
        "hyperparameters.learningrate: unknown",
        "template: ",
      ]) {
        assert.ok(error.message.includes(part), `${part} is missing in\n${error.message}`);
      }
      return true;
    },
  );
  assert.throws(
    () => parseStudy({ ...valid, hyperparameters: { epochs: 0 } }, "wrong.json"),
    /hyperparameters: hyperparameter epochs must be a whole number of at least 1, not 0/,
  );
  assert.throws(() => loadStudy(join(dir, "none.json")), /none\.json: there is no such study file/);
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
