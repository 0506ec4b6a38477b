// Every public function refuses an option that it does not know, and a row without the fields that it reads: by name,
// with an error of ours. Types do not help in a notebook, whose cells run without type checking.
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import * as library from "../../lib/index";
import { QUICK, temporaryFolder, tinyExamples, tinyModel, writeJson } from "../runs/world";

const dir = temporaryFolder();
const modelDir = tinyModel(join(dir, "model"), 1);
const model = library.loadModel(modelDir);
const tokenizer = model.tokenizer!;
const examples = tinyExamples(6, 1);
const data = writeJson(join(dir, "data.json"), examples);
const study = library.parseStudy({ name: "s", models: { m: modelDir }, datasets: { d: { path: data } } }, "s");
const encoded = library.encodeDataset(examples, tokenizer, { maxLength: 64 }).examples;
const judge = library.lengthJudge;

/** A call with an argument that is wrong. */
type Call = (wrong: never) => unknown;

/** Functions with options, by name: each is called with its options. */
const WITH_OPTIONS: Record<string, Call> = {
  readExamples: (options) => library.readExamples(data, options),
  encodeDataset: (options) => library.encodeDataset(examples, tokenizer, options),
  auditDataset: (options) => library.auditDataset(examples, tokenizer, options),
  toGenerationRatio: (options) => library.toGenerationRatio(examples, 0.5, tokenizer, options),
  generationRatioPlan: (options) => library.generationRatioPlan(examples, 0.5, tokenizer, options),
  fetchDataset: (options) => library.fetchDataset("hf:a/b", dir, options),
  fetchModel: (options) => library.fetchModel("hf:a/b", options),
  fetchPlanned: (options) => library.fetchPlanned({} as never, options),
  planFetch: (options) => library.planFetch({ kind: "model", reference: "hf:a/b" }, options),
  allTasks: (options) => library.allTasks(options),
  alpacaEval: (options) => library.alpacaEval(options),
  pandaLm: (options) => library.pandaLm("opponents.json", options),
  humanAgreement: (options) => library.humanAgreement([1], [1], options),
  judgeOutputs: (options) => library.judgeOutputs(options),
  openAiJudge: (options) => library.openAiJudge(options),
  ownTask: (options) => library.ownTask(options),
  evaluate: (options) => library.evaluate(model, ["piqa"], options),
  evaluateRuns: (options) => library.evaluateRuns([], ["piqa"], options),
  "evaluate, a request": (request) => library.evaluate(model, [request]),
  missingTasks: (options) => library.missingTasks(["piqa"], options),
  storedSamples: (options) => library.storedSamples([], ["piqa"], options),
  studyScores: (options) => library.studyScores(study, [], options),
  studyMemorization: (options) => library.studyMemorization(study, [], options),
  studyHeldoutLoss: (options) => library.studyHeldoutLoss(study, [], options),
  scoreRuns: (options) => library.scoreRuns([], [], options),
  studyResults: (options) => library.studyResults(study, [], options),
  sweep: (options) => library.sweep(options),
  wantedRuns: (changed) => library.wantedRuns(changed),
  parseStudy: (json) => library.parseStudy(json, "study"),
  train: (options) => library.train(options),
  "train, hyperparameters": (hyperparameters) =>
    library.train({ model: modelDir, examples, plw: 0, hyperparameters, store: join(dir, "store") }),
  "train, template": (template) =>
    library.train({ model: modelDir, examples, plw: 0, template, store: join(dir, "store"), hyperparameters: QUICK }),
  promptWeightedLoss: (options) => library.promptWeightedLoss(model, examples, options),
  encodedLoss: (options) => library.encodedLoss(model, encoded, options),
  lossWeights: (weighting) => library.lossWeights(encoded[0], weighting),
  checkLossWeighting: (weighting) => library.checkLossWeighting(weighting),
  gradientParts: (weighting) => library.gradientParts(model, encoded, weighting, "weights"),
  checkTemplate: (template) => library.checkTemplate(template),
  renderPrompt: (template) => library.renderPrompt(examples[0], template),
  "model.generate": (options) => model.generate("A", options),
  gradientShares: (options) => library.gradientShares([], options),
  scoreRows: (options) => library.scoreRows([], options),
  claimRows: (datasets) => library.claimRows([], datasets),
  readScores: (columns) => library.readScores("scores.csv", columns),
  criticalWeight: (options) => library.criticalWeight({} as never, options),
  testHypotheses: (options) => library.testHypotheses([], options),
  fitRatios: (options) => library.fitRatios([], options),
  recommendWeight: (options) => library.recommendWeight({} as never, 1, options),
  checkResiduals: (options) => library.checkResiduals({} as never, options),
  fitBetaGlmm: (options) => library.fitBetaGlmm([], options),
  fitGam: (options) => library.fitGam([], options),
  twoFactors: (columns) => library.twoFactors([], columns),
  mostChanged: (options) => library.mostChanged({ prompts: [] }, options),
  causeRows: (options) => library.causeRows([], options),
  learningRates: (options) => library.learningRates([], options),
  weightMaps: (options) => library.weightMaps([], options),
  compareLearningRates: (options) => library.compareLearningRates([], {}, options),
  compareStudyLearningRates: (options) => library.compareStudyLearningRates([], [], options),
  stabilityRows: (options) => library.stabilityRows([], options),
  table4: (options) => library.table4([], options),
  useTheme: (theme) => library.useTheme(theme),
  relativeStandardDeviation: (options) => library.relativeStandardDeviation([1, 1, 1, 1, 1], 5, options),
  corpusBleu: (options) => library.corpusBleu(["a"], [["a"]], options),
  sentenceBleu: (options) => library.sentenceBleu("a", ["a"], options),
  bleuBySegment: (options) => library.bleuBySegment(["a"], [["a"]], options),
  corpusChrf: (options) => library.corpusChrf(["a"], [["a"]], options),
  chrfBySegment: (options) => library.chrfBySegment(["a"], [["a"]], options),
  corpusTer: (options) => library.corpusTer(["a"], [["a"]], options),
  terBySegment: (options) => library.terBySegment(["a"], [["a"]], options),
  ask: (options) => library.ask([], "Say bread.", options),
  showTexts: (options) => library.showTexts(study, { prompts: [], absent: [] }, options),
  showTokens: (options) => library.showTokens(encoded, tokenizer, options),
  publishTable: (options) => library.publishTable(study, {} as never, options),
  fetchStudy: (options) => library.fetchStudy(data, options),
  fetchBenchmarks: (options) => library.fetchBenchmarks(study, options),
  modelCard: (options) => library.modelCard(study, {} as never, options),
  dataCard: (options) => library.dataCard(study, "d", options),
  ...Object.fromEntries(
    (
      "figure1 figure2a figure2b figure2bParts figure2c figure2d figure4 figure5 figure6 figureOthers lengthHistograms " +
      "lossCurves normalizerStability normalizerMovement normalizerLearning residualQuantiles residualPredictions"
    )
      .split(" ")
      .map((name) => [name, (options) => (library[name as "figure1"] as (...args: unknown[]) => unknown)([], options)]),
  ),
  regressionCurves: (options) => library.regressionCurves([], [], options),
};

/** Functions that read rows, with a field that they cannot do without. */
const WITH_ROWS: Record<string, [field: string, Call]> = {
  encodeDataset: ["instruction", (row) => library.encodeDataset([row], tokenizer, { maxLength: 64 })],
  renderPrompt: ["instruction", (row) => library.renderPrompt(row)],
  describeDataset: ["instruction", (row) => library.describeDataset([row], tokenizer)],
  countTokens: ["instruction", (row) => library.countTokens([row], tokenizer)],
  lengthRows: ["instruction", (row) => library.lengthRows("d", [row], tokenizer)],
  datasetRow: ["instruction", (row) => library.datasetRow("d", [row], tokenizer)],
  invertExample: ["instruction", (row) => library.invertExample(row)],
  invertLongCompletions: ["instruction", (row) => library.invertLongCompletions([row], tokenizer)],
  toGenerationRatio: ["instruction", (row) => library.toGenerationRatio([row], 0.5, tokenizer, { seed: 1 })],
  longCompletionRows: ["instruction", (tokens) => library.longCompletionRows(tokens)],
  promptWeightedLoss: ["instruction", (row) => library.promptWeightedLoss(model, [row], { plw: 0 })],
  train: [
    "instruction",
    (row) => library.train({ model: modelDir, examples: [row], plw: 0, store: join(dir, "store") }),
  ],
  lossWeights: ["completion", (row) => library.lossWeights(row, { plw: 0.1 })],
  encodedLoss: [
    "completion",
    (row) => library.encodedLoss(model, [row], { plw: 0, normalizer: "weights", microBatchSize: 1 }),
  ],
  gradientParts: ["completion", (row) => library.gradientParts(model, [row], { plw: 0 }, "weights")],
  showTokens: ["completion", (row) => library.showTokens([row], tokenizer, { plw: 0 })],
  judgeOutputs: ["reference", (row) => library.judgeOutputs({ judge, items: [row] })],
  "sweep, runs": ["model", (row) => library.sweep({ runs: [row], store: join(dir, "store") })],
  fitBetaGlmm: ["score", (row) => library.fitBetaGlmm([row])],
  fitGam: ["score", (row) => library.fitGam([row])],
  testHypotheses: ["dataset", (row) => library.testHypotheses([row])],
  twoFactors: ["x", (row) => library.twoFactors([row], { response: "y", a: "x", b: "z" })],
  byPlw: ["plw", (row) => library.byPlw([row], "score")],
  auditTable: ["audit", (row) => library.auditTable([row])],
  auditProblemRows: ["audit", (row) => library.auditProblemRows([row])],
  table1: ["totalTokens", (row) => library.table1([row])],
  table3: ["dataset", (row) => library.table3([row])],
  table4: ["group", (row) => library.table4([row])],
  figure3: ["group", (row) => library.figure3([row])],
  ratioFitRows: ["group", (row) => library.ratioFitRows([row])],
  residualTable: ["dataset", (row) => library.residualTable([row])],
  claimsTable: ["claim", (row) => library.claimsTable([row])],
  weightMaps: ["dataset", (row) => library.weightMaps([row])],
  weightMap: ["dataset", (row) => library.weightMap([row])],
  compareLearningRates: ["dataset", (row) => library.compareLearningRates([row], {})],
  ...named("runs", "recipe", [
    ...["lossRows", "runRows", "distanceRows", "distancePartRows", "stabilityRows", "causeRows", "learningRates"],
    ...["gradientShares", "runTable"],
  ]),
  evaluateRuns: ["recipe", (row) => library.evaluateRuns([row], ["piqa"])],
  storedSamples: ["recipe", (row) => library.storedSamples([row], ["piqa"])],
  ask: ["recipe", (row) => library.ask([row], "Say bread.")],
  ...named("scores", "results", ["scoreRows", "memorizationRows"]),
  ...named("rows", "score", ["figure1", "figure4", "figure5", "figure6", "figureOthers", "claimRows", "bestPlws"]),
  ...named("rows", "score", ["compareModels", "relativeRows", "observations", "fitRatios"]),
  figure2a: ["rsd", (row) => library.figure2a([row])],
  figure2b: ["distance", (row) => library.figure2b([row])],
  figure2bParts: ["part", (row) => library.figure2bParts([row])],
  figure2c: ["bleu", (row) => library.figure2c([row])],
  figure2d: ["tokens", (row) => library.figure2d([row])],
  lossCurves: ["loss", (row) => library.lossCurves([row])],
  lengthHistograms: ["completion", (row) => library.lengthHistograms([row])],
  normalizerStability: ["gradientNorm", (row) => library.normalizerStability([row])],
  residualQuantiles: ["check", (row) => library.residualQuantiles([row])],
  regressionCurves: ["arm", (row) => library.regressionCurves([row], [])],
  learningRateCurves: ["points", (row) => library.learningRateCurves([row])],
};

function named(_: string, field: string, names: string[]): Record<string, [string, Call]> {
  const call = (name: string): Call => {
    return (row) => (library[name as "figure1"] as (rows: unknown) => unknown)([row]);
  };
  return Object.fromEntries(names.map((name) => [name, [field, call(name)]]));
}

/** What a call throws, now or later. */
async function thrown(call: Call, wrong: unknown): Promise<unknown> {
  try {
    await call(wrong as never);
  } catch (error) {
    return error;
  }
  return undefined;
}

async function refuses(name: string, call: Call, wrong: unknown, word: RegExp): Promise<string[]> {
  const error = await thrown(call, wrong);
  if (error instanceof library.PromptlossError && word.test(error.message)) return [];
  return [`${name}: ${error === undefined ? "accepted" : String((error as Error).stack ?? error).slice(0, 400)}`];
}

test("an option that a function does not know is refused by name", async () => {
  const wrong = await Promise.all(
    Object.entries(WITH_OPTIONS).map(([name, call]) => refuses(name, call, { unknownOption: 1 }, /unknownOption/)),
  );
  assert.deepEqual(wrong.flat(), []);
});

test("options that are not an object are refused", async () => {
  const wrong = await Promise.all(
    Object.entries(WITH_OPTIONS).flatMap(([name, call]) =>
      [null, [1], "x"].map((given) => refuses(`${name}(${JSON.stringify(given)})`, call, given, /./)),
    ),
  );
  assert.deepEqual(wrong.flat(), []);
});

test("a row without a field that is read is refused by the field's name", async () => {
  const wrong = await Promise.all(
    Object.entries(WITH_ROWS).map(([name, [field, call]]) => refuses(name, call, { texts: [] }, new RegExp(field))),
  );
  assert.deepEqual(wrong.flat(), []);
});

test("a row that is no object is refused", async () => {
  const wrong = await Promise.all(
    Object.entries(WITH_ROWS).flatMap(([name, [, call]]) =>
      [null, 5, undefined].map((row) => refuses(`${name}(${row})`, call, row, /./)),
    ),
  );
  assert.deepEqual(wrong.flat(), []);
});
