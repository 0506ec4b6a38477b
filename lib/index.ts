/// <reference types="node" />
// The public names of the library: what notebooks and other projects import.
export { auditDataset, type Audit, type AuditOptions, type AuditWeighting } from "./data/audit/audit";
export type { AuditPart, AuditShare, Role } from "./data/audit/loss-shares";
export { AUDIT_KINDS, type AuditKind, type AuditProblem } from "./data/audit/problems";
export { DATASETS, MODELS, catalogueEntryOfTask, datasetEntry, type CatalogueEntry } from "./data/catalogue";
export {
  DROP_EMPTY_NEEDS_TRUNCATE,
  TRUNCATIONS,
  encodeDataset,
  type EncodedDataset,
  type EncodedExample,
  type EncodeOptions,
  type Truncation,
} from "./data/encode";
export {
  loadChatTemplate,
  renderChat,
  type ChatTemplate,
  type LoadChatTemplateOptions,
  type RenderChatOptions,
} from "./data/chat-template";
export {
  encodeConversation,
  type EncodeConversationOptions,
  type EncodedConversation,
} from "./data/encode-conversation";
export { isConversation, type Conversation, type Message, type MessageWeight, type ToolCall } from "./data/message";
export * from "./data/errors";
export * from "./data/example";
export type { FieldMap } from "./data/field-map";
export {
  fetchDataset,
  fetchModel,
  fetchPlanned,
  type FetchOptions,
  type FetchProgress,
  type FetchedFile,
} from "./data/fetch";
export { planFetch, type FetchPlan, type PlanOptions, type PlannedFile, type Wanted } from "./data/fetch-plan";
export { hubFile, hubFolder, isFetched, isHubReference, parseHubReference, type HubReference } from "./data/hub";
export { areConversations, rowsDigest, type Row as ExampleOrConversation } from "./data/rows";
export * from "./data/statistics";
export * from "./data/template";
export { isChatTemplate, type NamedChatTemplate, type RowTemplate } from "./data/row-template";
export { tokenSpans, type Span } from "./data/token-spans";
export * from "./data/tokenizer";
export * from "./data/transforms";
export {
  PAPER_WEIGHTS,
  checkPromptLossWeight,
  plwLabel,
  transformWeight,
  untransformWeight,
  type Weight,
} from "./data/prompt-loss-weight";
export { TURNS, checkLossWeighting, lossWeights, type LossWeighting, type Turns } from "./data/loss-weighting";
export { NORMALIZERS, type Normalizer } from "./data/normalizer";
export { PARTS, type EncodedTokens, type Part } from "./data/parts";
export { alpacaEval, readAlpacaEvalAnnotations } from "./evaluate/judge/alpaca-eval";
export {
  judgeOutputs,
  type Judge,
  type JudgedItem,
  type JudgedResult,
  type JudgeProgress,
} from "./evaluate/judge/judge";
export { lengthJudge, referenceJudge } from "./evaluate/judge/judge-local";
export { openAiJudge } from "./evaluate/judge/judge-openai";
export { judgeFrom, type JudgeSettings } from "./evaluate/judge/judge-settings";
export { ALPACA_EVAL_PROMPT, PANDALM_PROMPT, type JudgePrompt } from "./evaluate/judge/judge-prompts";
export { humanAgreement, humanLabel, pandaLm, readPandaLmLabels, readPandaLmPairs } from "./evaluate/judge/pandalm";
export type { Absence } from "./evaluate/absences";
export { allTasks } from "./evaluate/registry";
export { ownTask, type OwnTask } from "./evaluate/tasks/own-task";
export { pocketTaskNames } from "./evaluate/tasks/pocket";
export {
  auditExamples,
  auditProblemRows,
  studyAudits,
  type AuditExample,
  type AuditProblemRow,
  type AuditRow,
} from "./analysis/audit-rows";
export { BENCHMARKS, benchmarkOf, type Benchmark } from "./analysis/benchmarks";
export { claimRows, type ClaimRow } from "./analysis/claims";
export { bestPlws, compareModels } from "./analysis/comparisons";
export type { Assessment, Trust } from "./analysis/assessment";
export { relativeRows, scoreRows, type RelativeRow, type ScoreRow } from "./analysis/score-rows";
export { readScores, type Score, type ScoreColumns } from "./analysis/read-scores";
export {
  evaluateRuns,
  EvaluationsFailedError,
  type EvaluateRunsOptions,
  type RunScores,
  type RunsProgress,
} from "./evaluate/evaluate-runs";
export { chatLine } from "./evaluate/chat-form";
export { evaluate, TasksFailedError, type EvaluateOptions, type EvaluationProgress } from "./evaluate/evaluate";
export type { ChatOptions } from "./evaluate/evaluate-options";
export type { Sample, TaskResult } from "./evaluate/results";
export { gradientShares, type GradientShare } from "./analysis/gradient-share";
export { storedSamples, type StoredSamples } from "./evaluate/stored-samples";
export type { GenerationTask, MultipleChoiceTask, PromptFormat, SolvedQuestion, Task } from "./evaluate/task";
export { winRate, type WinRate } from "./evaluate/judge/win-rate";
export * from "./analysis/cause-rows";
export { auditTable } from "./figures/audit-table";
export * from "./figures/claims-table";
export * from "./analysis/dataset-rows";
export * from "./export/export";
export { outputPath } from "./runs/paths";
export { planStudyPruning } from "./analysis/study-pruning";
export { pruneRuns, type PrunePlan, type PruneOutcome, type Retain } from "./runs/prune";
export type { Figure, Row } from "./figures/figure";
export * from "./figures/fit-tables";
export * from "./figures/figure1";
export * from "./figures/figure2a";
export * from "./figures/figure2b";
export * from "./figures/figure2b-parts";
export * from "./figures/figure2c";
export * from "./figures/figure2d";
export * from "./figures/figure4";
export * from "./figures/figure5";
export * from "./figures/figure6";
export * from "./figures/figure-others";
export * from "./analysis/generation-rows";
export * from "./analysis/learning-rate";
export * from "./analysis/weight-map";
export * from "./figures/weight-map";
export * from "./figures/learning-rate";
export * from "./figures/length-histograms";
export * from "./figures/loss-curves";
export * from "./analysis/machine";
export * from "./analysis/normalizer-section";
export * from "./figures/normalizer-figures";
export * from "./figures/regression-curves";
export * from "./figures/residual-panels";
export * from "./analysis/run-rows";
export * from "./analysis/study-results";
export * from "./figures/study-figures";
export * from "./figures/table2";
export * from "./figures/table3";
export * from "./figures/table4";
export * from "./figures/table5";
export * from "./figures/run-table";
export type { Table } from "./figures/table";
export * from "./figures/table1";
export { studyLook, useTheme, type Look, type Theme } from "./figures/theme";
export { figure3, figure7, figure8, figure9 } from "./figures/ratio-contour";
export * from "./metrics/bleu";
export * from "./metrics/chrf";
export * from "./metrics/distance";
export * from "./metrics/quantile";
export * from "./metrics/rouge";
export { relativeStandardDeviation, type Stability, type StabilityOptions } from "./metrics/stability";
export * from "./metrics/ter";
export type { Generation, GenerationOptions } from "./model/generate";
export { CausalLM, createModel, loadModel } from "./model/causal-lm";
export { ask, type AskOptions, type Asked, type RunAnswer } from "./notebook/ask";
export * from "./notebook/contact-sheet";
export * from "./notebook/display";
export { fetchBenchmarks, fetchStudy } from "./notebook/fetch-display";
export { writeReport, type Report } from "./page/report";
export { publishFigure, publishTable } from "./notebook/publish";
export { showTexts, type ShowTextsOptions } from "./notebook/show-texts";
export * from "./notebook/interrupt";
export * from "./notebook/progress";
export { evaluationLine, progressLine, sweepLine } from "./notebook/progress-text";
export * from "./notebook/tokens";
export { writeTextsPage } from "./page/texts-page";
export * from "./export/hugging-face";
export { ALPACA_HYPERPARAMETERS, type Hyperparameters } from "./runs/hyperparameters";
export type { AdapterSettings, Target } from "./model/adapter";
export type { StepRecord } from "./runs/steps";
export { RunStore, type Run } from "./runs/store";
export { compareFits, type LikelihoodRatioTest } from "./stats/beta-glmm/compare";
export { fitBetaGlmm, PAPER_GLMM, type BetaGlmmFit, type BetaGlmmOptions } from "./stats/beta-glmm/fit";
export { criticalWeight, type CriticalWeight } from "./analysis/critical-weight";
export { twoFactors, type Variation } from "./stats/two-factor";
export { fitGam, PAPER_GAM, type GamFit, type GamMethod, type GamOptions } from "./stats/gam/fit";
export { H0, H1, testHypotheses, type HypothesisTest } from "./analysis/hypothesis";
export {
  BENCHMARK_GROUPS,
  observations,
  withSeeds,
  type BenchmarkGroup,
  type Observation,
} from "./analysis/observations";
export { fitRatios, type RatioFit } from "./analysis/ratio-fits";
export { recommendWeight, type Recommendation, type RecommendationOptions } from "./analysis/recommendation";
export { checkResiduals, type ResidualCheck } from "./stats/residuals";
export type { DataRow } from "./stats/data-rows";
export { SQUEEZES, type Squeeze, type SqueezeReport } from "./stats/squeeze";
export * from "./analysis/table-rows";
export { studyTexts, type PromptTexts, type StudyTexts, type TextVerdict, type WrittenText } from "./analysis/texts";
export { mostChanged, wordDistance, type ChangedPrompt } from "./analysis/texts-changed";
export * from "./sweep/study";
export * from "./sweep/study-file";
export * from "./sweep/study-scores";
export { missingTasks, type MissingTask } from "./evaluate/missing-tasks";
export { taskGroup } from "./evaluate/task-list";
export type { TaskRequest } from "./evaluate/task-request";
export * from "./sweep/sweep";
export { withTrainedPlws } from "./sweep/trained-plws";
export * from "./train/prompt-weighted-loss";
export { train } from "./notebook/train";
export type { TrainOptions } from "./train/train";
export type { LogLikelihood } from "./model/log-likelihoods";
export * from "./export/tables";
export { parquetBytes, type ColumnType } from "./export/parquet";
export { toolRows, type ToolRows, type ToolRowsOptions } from "./export/tool-rows";
export {
  expressionFor,
  type Expression,
  type ToolRule,
  type WeightPattern,
  type WeightedRow,
} from "./export/tool-rule";
export { toolSettings, type NearestLoss, type ToolSettings, type ToolSettingsOptions } from "./export/tool-settings";
export { TOOL_FACTS, TOOL_NORMALIZERS, TOOLS, type Tool, type ToolFacts, type ToolNormalizer } from "./export/tools";
