// Fetching in notebooks, with a live display of its progress.
import { abortSignal, checkOptions } from "../data/arguments";
import { visibleText } from "../data/visible-text";
import { defaultDataDir } from "../data/repository";
import { missingTasks } from "../evaluate/missing-tasks";
import { datasetItems, fetchItems, fetchSummary, modelItems, taskItems, type FetchItem } from "../sweep/fetch-study";
import type { Study } from "../sweep/study";
import { studyDownloads } from "../sweep/study-file";
import { studyEvaluation } from "../sweep/study-scores";
import { liveDisplay } from "./display";
import { escapeHtml } from "../page/html";
import { fetchTexts } from "./progress-text";

/** Options of {@link fetchStudy} and {@link fetchBenchmarks}. */
export interface FetchStudyOptions {
  /** stops the download; the same call continues it */
  signal?: AbortSignal;
}

/**
 * Fetches the models and data sets that a study takes from the Hugging Face Hub ("hf:…"), and prints what was fetched
 * and what is not available.
 *
 * @param path of the study file; default: `PROMPTLOSS_STUDY`, or the pocket study
 * @throws {StudyError} for a study file with other problems than missing files
 */
export async function fetchStudy(path?: string, options: FetchStudyOptions = {}): Promise<void> {
  checkOptions("fetchStudy", options, { signal: abortSignal });
  const { models, datasets, dataDir } = studyDownloads(path);
  const items = [...modelItems(models), ...datasetItems(datasets, dataDir)];
  await fetchAndReport(items, "This study takes no model and no data set from the Hugging Face Hub.", options);
}

/**
 * Fetches the data of those of a study's tasks that have none yet, and prints what was fetched and what is not
 * available.
 */
export async function fetchBenchmarks(study: Study, options: FetchStudyOptions = {}): Promise<void> {
  checkOptions("fetchBenchmarks", options, { signal: abortSignal });
  const missing = await missingTasks(study.tasks, studyEvaluation(study));
  const items = taskItems(
    missing.map(({ task }) => task),
    study.dataDir ?? defaultDataDir(),
  );
  await fetchAndReport(items, "The data of all tasks are there, as far as the catalogue knows them.", options);
}

async function fetchAndReport(items: FetchItem[], nothing: string, { signal }: FetchStudyOptions): Promise<void> {
  if (items.length === 0) {
    console.log(visibleText(nothing));
    return;
  }
  const report = await fetchItems(items, {
    signal,
    onPlan: (text) => console.log(visibleText(text)),
    progress: progressDisplay,
  });
  console.log(visibleText(fetchSummary(report)));
}

function progressDisplay() {
  const show = liveDisplay();
  return {
    show: fetchTexts(300, (text) => show({ html: `<div>${escapeHtml(text)}</div>`, text })),
    end: () => {},
  };
}
