import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { PAPER_WEIGHTS } from "../../lib/data/prompt-loss-weight";
import { StudyError } from "../../lib/data/errors";
import { studyExamples, wantedRuns } from "../../lib/sweep/study";
import { outputPath } from "../../lib/runs/paths";
import { loadStudy, parseStudy, studyDownloads } from "../../lib/sweep/study-file";
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

test("a study's template may be the file of a chat template, or its text; that of Alpaca's rows stays", () => {
  const template = join(dir, "mine.jinja");
  writeFileSync(template, "{{ bos_token }}");
  const chatTemplate = { name: "mine", jinja: "{{ bos_token }}" };
  for (const given of [template, chatTemplate]) {
    const study = parseStudy({ ...valid, template: given }, "test");
    assert.deepEqual([study.template.name, study.chatTemplate], ["alpaca", chatTemplate]);
    assert.deepEqual(new Set(wantedRuns(study).map((spec) => spec.chatTemplate)), new Set([chatTemplate]));
  }
  const pocket = parseStudy({ ...valid, template: "datasets/pocket/chat.jinja" }, "test");
  assert.equal(pocket.chatTemplate?.name, "chat");
  const refused = (given: unknown, message: RegExp) =>
    assert.throws(() => parseStudy({ ...valid, template: given }, "test"), message);
  refused(join(dir, "none.jinja"), /template: is the file of a chat template, but .*none.jinja: there is no such file/);
  refused({ ...chatTemplate, suffix: "" }, /template.suffix: unknown key/);
  refused(null, /template: /);
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
        'normalizers.0: must be one of weights, tokens, completion, sequence, sum, micro-batch-mean, llama-factory, megatron-bridge, got "mean"',
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
  writeFileSync(join(dir, "twice.json"), '{ "//": "a", "//": "b", "datasets": { "One": {}, "One": {} } }');
  assert.throws(() => loadStudy(join(dir, "twice.json")), /twice\.json: datasets\.One: this key stands twice/);
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

test("names that lead to other folders, break lines or are all spaces are refused, with the field", () => {
  const refused = (change: object, message: RegExp) =>
    assert.throws(() => parseStudy({ ...valid, ...change }, "t"), message);
  for (const name of ["..", "../../x", "a/../b", "..\\x", ".", "a/."]) {
    refused({ datasets: { [name]: { path: data } } }, /t: datasets\..*: a name must not lead to another folder/);
    refused({ models: { [name]: model } }, /t: models\..*: a name must not lead to another folder/);
  }
  for (const name of ["a\nb", "\u0000", "a\u2028b"]) refused({ variants: { [name]: {} } }, /must not have line breaks/);
  for (const name of ["", "  ", "x".repeat(101)])
    refused({ models: { [name]: model } }, /must have 1 to 100 characters/);
  refused({ datasets: { toString: { path: data } } }, /toString: cannot be used as a name; choose another/);
  const odd = ["meta/llama-2", "…", "a..b", "<b> 'x' \"y\" `z` $w$", "x".repeat(100), "é · 日本"];
  const datasets = Object.fromEntries(odd.map((name, i) => [name, { path: data, rows: i + 1 }]));
  assert.deepEqual(Object.keys(parseStudy({ ...valid, datasets }, "t").datasets), odd);
  assert.throws(() => studyExamples(parseStudy(valid, "t"), "toString"), /has no data set "toString"/);
});

test("what is the same under two names is refused, since its runs would count twice", () => {
  const refused = (change: object, message: RegExp) =>
    assert.throws(
      () => parseStudy({ ...valid, ...change }, "t"),
      (error: Error) => error instanceof StudyError && message.test(error.message),
    );
  refused({ models: { a: model, b: model } }, /t: models: a and b have the same directory/);
  refused({ models: { a: model, b: `${model}/../model` } }, /t: models: a and b have the same directory/);
  refused({ datasets: { a: { path: data }, b: { path: data } } }, /t: datasets: a and b have the same rows/);
  const twice = { from: "a", transform: "invertLongCompletions" };
  refused({ datasets: { a: { path: data }, b: twice, c: twice } }, /t: datasets: b and c have the same rows/);
  refused({ plws: [0, 0.1, 0.1] }, /t: plws: names 0.1 more than once/);
  refused({ seeds: [42, 42] }, /t: seeds: names 42 more than once/);
  refused({ normalizers: ["weights", "weights"] }, /t: normalizers: names weights more than once/);
  // a study that is changed in a notebook
  const study = parseStudy(valid, "t");
  const changed = (change: object, message: RegExp) =>
    assert.throws(
      () => wantedRuns({ ...study, ...change }),
      (error: Error) => error instanceof StudyError && message.test(error.message),
    );
  changed({ plws: [...study.plws, study.plws[0]] }, /plws: names .* more than once/);
  changed({ models: { a: model, b: model } }, /models: a and b have the same directory/);
  changed({ variants: { a: { lr: 1 } } }, /variants.a.lr: unknown key; known keys: learningRate/);
  changed({ variants: { a: {}, b: { beta1: study.hyperparameters.beta1 } } }, /variants: a and b have the same hyper/);
  changed({ hyperparameters: { learningRate: 1 } }, /hyperparameters.schedule: is missing/);
  changed({ template: { ...study.template, suffix: "" } }, /template.suffix: unknown key/);
  changed({ weight: 3 }, /weight: unknown key; known keys: name/);
  changed(JSON.parse('{"datasets": {"a": {"path": "x"}}, "models": {"__proto__": "m"}}') as object, /cannot be used/);
});

test("no name leads out of a study's folder of outputs", () => {
  const folder = outputPath({ name: "s" });
  assert.equal(outputPath({ name: "s" }, "hub", "a/b", "..c"), join(folder, "hub", "a", "b", "..c"));
  assert.equal(outputPath({ name: "s" }, "hub", ".."), folder);
  for (const [name, ...parts] of [
    ["s", "hub", "../../x"],
    ["s", ".."],
    ["s", "../s2"],
    [".."],
    ["."],
    [""],
    ["a/../.."],
  ])
    assert.throws(
      () => outputPath({ name }, ...parts),
      /this is no path within a study's folder in .*; use names without/,
    );
});

test("held-out rows are no data set's file, and lists are no objects", () => {
  assert.throws(
    () => parseStudy({ ...valid, heldout: data }, "t"),
    /t: heldout: is the file of One; it needs rows that/,
  );
  for (const key of ["fields", "template", "hyperparameters", "judge", "models"])
    assert.throws(
      () => parseStudy({ ...valid, [key]: [] }, "t"),
      new RegExp(`t: ${key}: must be an object.*, got \\[\\]`),
      key,
    );
  assert.throws(() => parseStudy([], "t"), /^StudyError: t: must be an object, got \[\]$/);
});

test("tasks that every study measures, and metrics that a task does not have, are refused", () => {
  assert.throws(
    () => parseStudy({ ...valid, tasks: ["pocket-piqa", "memorization", { name: "heldout-loss", limit: 4 }] }, "t"),
    (error: Error) =>
      ["memorization", "heldout-loss"].every((name) =>
        error.message.includes(
          `tasks: ${name} is no benchmark, and is measured without being named here; leave it out`,
        ),
      ),
  );
  assert.throws(
    () => parseStudy({ ...valid, tasks: [{ name: "pocket-piqa", metric: "accc" }] }, "t"),
    /t: tasks\.0\.metric: must be one of acc, acc_norm, got "accc"/,
  );
  assert.equal(parseStudy({ ...valid, tasks: [{ name: "pocket-piqa", metric: "acc" }] }, "t").tasks[0].metric, "acc");
});

test("variants are crossed with the other factors; equal ones and values given twice are refused", () => {
  const study = parseStudy(
    {
      ...valid,
      datasets: { One: { path: data } },
      plws: [0, 1],
      hyperparameters: { ...QUICK, learningRate: 0.1 },
      variants: { slow: { learningRate: 0.01 }, fast: {} },
    },
    "test",
  );
  assert.deepEqual(
    wantedRuns(study).map(({ plw, variant, hyperparameters: { learningRate, epochs } }) => [
      plw,
      variant,
      learningRate,
      epochs,
    ]),
    [
      [0, "slow", 0.01, QUICK.epochs],
      [1, "slow", 0.01, QUICK.epochs],
      [0, "fast", 0.1, QUICK.epochs],
      [1, "fast", 0.1, QUICK.epochs],
    ],
  );
  assert.throws(
    () => parseStudy({ ...valid, variants: { a: {}, b: { learningRate: 2e-5 }, c: { epochs: 1 } } }, "x"),
    /variants: a and b have the same hyperparameters/,
  );
  assert.throws(() => parseStudy({ ...valid, variants: { a: { lr: 1 } } }, "x"), /variants\.a\.lr: unknown key; known/);
  for (const [key, values, message] of [
    ["plws", [0, 0.1, 0.1], /plws: names 0\.1 more than once/],
    ["seeds", [42, 42], /seeds: names 42 more than once/],
    ["normalizers", ["weights", "weights"], /normalizers: names weights more than once/],
  ] as const)
    assert.throws(() => parseStudy({ ...valid, [key]: values }, "x"), message);
});

test("tasks: names, groups with settings, versions of the harness, and one's own", () => {
  const tasksOf = (tasks: unknown) => parseStudy({ ...valid, tasks }, "test").tasks;
  assert.deepEqual(parseStudy(valid, "test").tasks, []);
  assert.deepEqual(tasksOf("piqa"), [{ name: "piqa" }]);
  assert.equal(tasksOf("pocket").length, 13);
  assert.deepEqual(
    tasksOf({ name: "paper", limit: 100 }).map(({ name, limit, format }) => [name, limit, format]),
    [
      ...["arc_challenge", "piqa", "truthfulqa_mc2", "winogrande"].map((name) => [`${name}@b281b09`, 100, undefined]),
      ["truthfulqa_gen", 100, undefined],
      ...["wmt14-en-fr", "wmt14-fr-en", "wmt16-en-de", "wmt16-de-en", "wmt16-en-ro", "wmt16-ro-en"].map((name) => [
        name,
        100,
        "harness+instruction",
      ]),
      ["alpaca_eval", 100, undefined],
      ["pandalm", 100, undefined],
    ],
  );
  assert.deepEqual(
    tasksOf([
      { name: "arc_challenge", version: "b281b09", shots: 2 },
      { name: "piqa", version: "0.4.13" },
    ]),
    [{ name: "arc_challenge@b281b09", shots: 2 }, { name: "piqa" }],
  );
  const own = { name: "mine", data, prompt: "{instruction}", references: "output" };
  const [request] = tasksOf([{ ...own, limit: 3 }]);
  assert.deepEqual([request.name, request.limit, request.own?.prompt], ["mine", 3, "{instruction}"]);
  for (const [tasks, message] of [
    [["piqua"], /tasks\.0\.name: there is no task "piqua"; did you mean piqa or /],
    [["piqa", "paper", { name: "piqa", limit: 3 }], /tasks: asks twice for piqa/],
    [[{ name: "piqa", shot: 1 }], /tasks\.0\.shot: unknown key; known keys: name, shots, limit/],
    [[{ ...own, name: "piqa" }], /has the name of a built-in task/],
    [[own, own], /asks twice for mine/],
  ] as const)
    assert.throws(() => parseStudy({ ...valid, tasks }, "x"), message);
});

test("licenses are of the study's models and data sets; a derived data set inherits its own", () => {
  const { licenses } = parseStudy({ ...valid, licenses: { tiny: "mit", One: "cc-by-4.0" } }, "test");
  assert.deepEqual(licenses, { tiny: "mit", One: "cc-by-4.0", Short: "cc-by-4.0", Less: "cc-by-4.0" });
  assert.throws(
    () => parseStudy({ ...valid, licenses: { Two: "mit" } }, "x"),
    /licenses: no model or data set of this study is called "Two"/,
  );
});

test("a study's name is a folder's name, and its rows and fields are those of every data set", () => {
  for (const name of ["../x", "a/b", ".hidden", "", "x".repeat(101)])
    assert.throws(() => parseStudy({ ...valid, name }, "x"), /name: must be a name of at most 100 letters/);
  const { datasets } = parseStudy(
    {
      ...valid,
      rows: 5,
      fields: { input: "context" },
      datasets: { ...valid.datasets, Two: { path: data, rows: 3, fields: { output: "answer" } } },
    },
    "test",
  );
  const one = { path: data, fields: { input: "context" }, rows: 5 };
  assert.deepEqual(datasets.One, one);
  assert.deepEqual(datasets.Two, { path: data, fields: { output: "answer" }, rows: 3 });
  assert.deepEqual("from" in datasets.Short && datasets.Short.from, one);
  assert.throws(
    () => parseStudy({ ...valid, truncation: "drop", dropEmpty: true }, "x"),
    /"dropEmpty" needs the trunc/,
  );
  assert.throws(() => parseStudy({ ...valid, retain: "adapter" }, "x"), /retain: must be one of weights, scores/);
  assert.throws(
    () => parseStudy({ ...valid, judge: { url: "http://127.0.0.1/v1", model: "m", key: "k" } }, "x"),
    /judge\.key: .*PROMPTLOSS_JUDGE_KEY/,
  );
});

test("what a study takes from the Hub is listed for fetch, and named until it is there", () => {
  const json = {
    ...valid,
    models: { tiny: "hf:owner/model@abc" },
    datasets: { One: { path: "hf:owner/data#rows.json" } },
    tasks: ["piqa", { name: "mine", data, prompt: "{instruction}", references: "output" }],
    dataDir: "benchmarks",
  };
  const file = writeJson(join(dir, "hub.json"), json);
  const { models, datasets, tasks, dataDir } = studyDownloads(file);
  assert.deepEqual([models, datasets, tasks], [["hf:owner/model@abc"], ["hf:owner/data#rows.json"], ["piqa"]]);
  assert.match(dataDir, /\/benchmarks$/);
  assert.throws(
    () => loadStudy(file),
    /models\.tiny: hf:owner\/model@abc has not been fetched[^]*datasets\.One\.path: hf:owner\/data#rows\.json has not/,
  );
});

test("the study files of this repository ask for what they say, with files in place", () => {
  const studies = join(__dirname, "..", "..", "studies");
  for (const name of ["pocket", "paper", "template"]) {
    const json = readJson<typeof valid>(join(studies, `${name}.json`));
    // their models and data may not be here: every path is replaced by one that is
    const models = Object.fromEntries(
      Object.keys(json.models)
        .filter((key) => key !== "//")
        .map((key, i) => [key, tinyModel(join(dir, `model-${i}`), 1)]),
    );
    const datasets = Object.fromEntries(
      Object.entries(json.datasets).map(([key, value], i) => [
        key,
        typeof value === "object" && "path" in value ? { path: data, rows: i + 1 } : value,
      ]),
    );
    const study = parseStudy({ ...json, models, datasets }, name);
    assert.ok(study.tasks.length > 0, name);
    assert.equal(wantedRuns(study).length, name === "template" ? 36 : 100, name);
  }
});

test("weights of completion and parts are factors: order, defaults, and what is refused", () => {
  const one = { ...valid, datasets: { One: { path: data } }, seeds: [1] };
  const plain = parseStudy({ ...one, plws: [0, 0.1] }, "x");
  const spelled = parseStudy({ ...one, plws: [0, 0.1], completionWeights: [1], partWeights: [{}], turns: "all" }, "x");
  assert.deepEqual(wantedRuns(spelled), wantedRuns(plain));
  assert.ok(!("completionWeight" in wantedRuns(plain)[0]));
  const study = parseStudy(
    { ...one, plws: [0, 0.1], completionWeights: [0, 0.5, 1], partWeights: [{}, { end: 0 }], turns: "last" },
    "x",
  );
  assert.deepEqual(
    wantedRuns(study).map(({ plw, completionWeight = 1, partWeights = {}, turns }) => [
      completionWeight,
      JSON.stringify(partWeights),
      plw,
      turns,
    ]),
    [0, 0.5, 1].flatMap((completionWeight) =>
      ["{}", '{"end":0}'].flatMap((parts) =>
        [0, 0.1].filter((plw) => plw + completionWeight > 0).map((plw) => [completionWeight, parts, plw, "last"]),
      ),
    ),
    "without the pairs of two weights of 0",
  );
  const refused = (change: object, message: RegExp) => {
    assert.throws(() => parseStudy({ ...one, ...change }, "x"), message);
    assert.throws(() => wantedRuns({ ...plain, ...change }), message);
  };
  refused({ completionWeights: [] }, /completionWeights: must be a list with at least one entry/);
  refused({ completionWeights: [0.5, -1] }, /completionWeights.1: must be a finite number of at least 0, got -1/);
  refused({ completionWeights: [1, 1] }, /completionWeights: names 1 more than once/);
  refused({ partWeights: {} }, /partWeights: must be a list/);
  refused({ partWeights: [{ thinkin: 1 }] }, /partWeights.0.thinkin: unknown key; known keys: template, system/);
  refused({ partWeights: [{ end: -0.5 }] }, /partWeights.0.end: must be a finite number of at least 0, got -0.5/);
  refused(
    {
      partWeights: [
        { end: 1, user: 0 },
        { user: 0, end: 1 },
      ],
    },
    /partWeights: names user 0, end 1 more than once/,
  );
  refused({ turns: "first" }, /turns: must be one of all, last/);
  const all = { template: 1, system: 1, instruction: 1, input: 1, user: 1, assistant: 1, thinking: 1, tool: 1, end: 1 };
  refused(
    { plws: [0, 0.1], partWeights: [all] },
    /weights: PLW 0, template 1, .*, end 1 and PLW 0.1, .* give every token the same weight; keep one of them/,
  );
});
