import { count, flag } from "../data/arguments";
import { callOptions, checkEvaluation, taskOptions } from "../evaluate/evaluate-options";
import { checkRuns } from "../runs/check-runs";
import {
  EvaluationsFailedError,
  evaluateRuns,
  type EvaluateRunsOptions,
  type EvaluationFailure,
  type RunScores,
} from "../evaluate/evaluate-runs";
import { missingTasks, type MissingTask } from "../evaluate/missing-tasks";
import { storedSamples, type StoredSamples } from "../evaluate/stored-samples";
import type { Absence } from "../evaluate/absences";
import { storedScores } from "../evaluate/stored-scores";
import type { TaskRequest } from "../evaluate/task-request";
import type { Run } from "../runs/store";
import { heldoutFiles, type Study } from "./study";

/** Options of {@link studyScores} that a study does not decide. */
export interface StudyScoresOptions extends Pick<EvaluateRunsOptions, "signal" | "onProgress" | "workers"> {
  /** true: what is not stored is named in the summary instead of being evaluated; default false */
  storedOnly?: boolean;
}

const scoresOptions = { workers: count, storedOnly: flag };

/** @throws {EvaluationError} naming the option that is unknown or wrong */
function checkScoresOptions(where: string, options: StudyScoresOptions): void {
  const { signal, onProgress } = callOptions;
  checkEvaluation(where, options, { signal, onProgress, ...scoresOptions });
}

/** Scores of a study's runs, and what is missing of them. */
export interface StudyScores {
  /** one entry per run that has results, in the order of the runs */
  scores: RunScores[];
  /** tasks that could not be evaluated at all */
  missing: MissingTask[];
  /** single runs or tasks of a run that failed */
  failures: EvaluationFailure[];
  /** names everything that is missing or failed; "" if nothing is */
  summary: string;
}

/**
 * Evaluates a study's runs on its tasks, with its data folder and judge. Stored results are not computed again. A task
 * without data or judge is left out by name; the others are evaluated.
 *
 * @param runs complete runs of the study
 * @throws {Interrupted} if `options.signal` is aborted
 */
export function studyScores(
  study: Study,
  runs: readonly Run[],
  options: StudyScoresOptions = {},
): Promise<StudyScores> {
  checkScoresOptions("studyScores", options);
  return scoreRuns(runs, study.tasks, { ...studyEvaluation(study), ...options });
}

/**
 * Evaluates how much a study's runs have memorized: their training prompts, and the held-out ones if the study has any.
 *
 * @param runs complete runs of the study
 * @throws {Interrupted} if `options.signal` is aborted
 */
export function studyMemorization(
  study: Study,
  runs: readonly Run[],
  options: StudyScoresOptions = {},
): Promise<StudyScores> {
  checkScoresOptions("studyMemorization", options);
  return scoreRuns(runs, memorizationTasks(study), { ...studyEvaluation(study), ...options });
}

/** The tasks of {@link studyMemorization}. */
export function memorizationTasks({ heldout }: Study): TaskRequest[] {
  return ["memorization", ...(heldout === undefined ? [] : ["memorization-heldout"])].map((name) => ({ name }));
}

/**
 * Evaluates the loss of a study's runs on its first 40 held-out rows (task `heldout-loss`).
 *
 * @param runs complete runs of the study
 * @returns no scores for a study without held-out rows
 * @throws {Interrupted} if `options.signal` is aborted
 */
export function studyHeldoutLoss(
  study: Study,
  runs: readonly Run[],
  options: StudyScoresOptions = {},
): Promise<StudyScores> {
  checkScoresOptions("studyHeldoutLoss", options);
  return scoreRuns(runs, heldoutLossTasks(study), { ...studyEvaluation(study), ...options });
}

/** The tasks of {@link studyHeldoutLoss}. */
export function heldoutLossTasks({ heldout }: Study): TaskRequest[] {
  return heldout === undefined ? [] : [{ name: "heldout-loss", limit: 40 }];
}

/**
 * Reads the stored samples of some of a study's tasks.
 *
 * @param tasks names of tasks of the study
 * @returns one entry per run and task that has a stored result
 */
export async function studySamples(
  study: Study,
  runs: readonly Run[],
  tasks: readonly string[],
): Promise<StoredSamples[]> {
  const requests = study.tasks.filter(({ name }) => tasks.includes(name));
  return storedSamples(runs, requests, studyEvaluation(study));
}

/** The options of an evaluation that a study decides. */
export function studyEvaluation(study: Study): Pick<EvaluateRunsOptions, "dataDir" | "judge" | "heldout"> {
  const { dataDir, judge } = study;
  return { ...(dataDir !== undefined && { dataDir }), ...(judge && { judge }), heldout: heldoutFiles(study) };
}

/**
 * Evaluates runs on tasks like `evaluateRuns`, and returns what is missing or failed by name instead of throwing.
 *
 * @throws {EvaluationError} immediately for unknown tasks and invalid options
 * @throws {Interrupted} if `options.signal` is aborted
 */
export async function scoreRuns(
  runs: readonly Run[],
  tasks: readonly TaskRequest[],
  settings: EvaluateRunsOptions & StudyScoresOptions = {},
): Promise<StudyScores> {
  checkRuns("scoreRuns", runs);
  checkEvaluation("scoreRuns", settings, { ...taskOptions, ...callOptions, ...scoresOptions });
  const { storedOnly = false, ...options } = settings;
  if (storedOnly) return stored(runs, tasks, options);
  const { dataDir, limit, fewShot, maxNewTokens, format, template, heldout, judge } = options;
  const ofTasks = { dataDir, limit, fewShot, maxNewTokens, format, template, heldout, judge };
  const missing = await missingTasks(tasks, ofTasks);
  const names = missing.map(({ task }) => task);
  const available = tasks.filter(({ name }) => !names.includes(name));
  const done = withoutEmpty(await evaluated(runs, available, options));
  return { ...done, missing, summary: describe(missing, done.failures) };
}

/** Scores, and failures as a value instead of an error. */
async function evaluated(
  runs: readonly Run[],
  tasks: readonly TaskRequest[],
  options: EvaluateRunsOptions,
): Promise<Pick<StudyScores, "scores" | "failures">> {
  if (tasks.length === 0 || runs.length === 0) return { scores: [], failures: [] };
  try {
    return { scores: await evaluateRuns(runs, tasks, options), failures: [] };
  } catch (error) {
    if (!(error instanceof EvaluationsFailedError)) throw error;
    return { scores: error.scores, failures: error.failures };
  }
}

/** The scores that are stored, with all others in the summary. */
async function stored(
  runs: readonly Run[],
  tasks: readonly TaskRequest[],
  options: EvaluateRunsOptions,
): Promise<StudyScores> {
  const { scores, absent } = await storedScores(runs, tasks, options);
  const { failures, ...filled } = withoutEmpty({ scores, failures: [] });
  const lines = absent.map((entry) => describeAbsent(entry, runs.length));
  return { ...filled, failures, missing: [], summary: [...lines, describe([], failures)].filter(Boolean).join("\n") };
}

function describeAbsent({ task, runs, reason }: Absence, all: number): string {
  const where = runs.length === all ? "all runs" : runs.length === 1 ? runs[0] : `${runs.length} of ${all} runs`;
  return `${task} of ${where}: ${reason}`;
}

/** Makes a failure of a result without any item, which has no metrics. */
function withoutEmpty({
  scores,
  failures,
}: Pick<StudyScores, "scores" | "failures">): Pick<StudyScores, "scores" | "failures"> {
  const empty = scores.flatMap(({ run, results }) =>
    results
      .filter(({ items }) => items === 0)
      .map(({ task, leftOut }): EvaluationFailure => {
        const reason = leftOut.length > 0 ? `; row ${leftOut[0].id} (counted from 0): ${leftOut[0].reason}` : "";
        return { run: run.name, task, message: `no item can be scored${reason}` };
      }),
  );
  const filled = scores.map(({ run, results }) => ({ run, results: results.filter(({ items }) => items > 0) }));
  return { scores: filled.filter(({ results }) => results.length > 0), failures: [...failures, ...empty] };
}

function describe(missing: readonly MissingTask[], failures: readonly EvaluationFailure[]): string {
  const parts = [
    ...missing.map(({ task, reason }) => `${task} is left out: ${reason}`),
    ...failures.map(({ run, task, message }) => `${task === null ? run : `${task} of ${run}`} failed: ${message}`),
  ];
  return parts.join("\n");
}
