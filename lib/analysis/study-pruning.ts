import { storedResult } from "../evaluate/evaluate-task";
import { Memo } from "../evaluate/memo";
import { resolveTasks } from "../evaluate/registry";
import { subjectOf } from "../evaluate/subject";
import { PromptlossError } from "../data/errors";
import { planPruning, type PrunePlan } from "../runs/prune";
import type { Run } from "../runs/store";
import type { Study } from "../sweep/study";
import { heldoutLossTasks, memorizationTasks, studyEvaluation } from "../sweep/study-scores";
import { hasGradientShare } from "./gradient-share";
import { hasDistance } from "./run-rows";

/**
 * Finds the runs of a study whose parameters no notebook needs any more: distance, all scores and answers and, where
 * the study compares normalizers, gradient shares are stored.
 *
 * @param runs of the study; others are never pruned
 */
export async function planStudyPruning(study: Study, runs: readonly Run[]): Promise<PrunePlan> {
  const comparesNormalizers = study.normalizers.length > 1;
  const options = studyEvaluation(study);
  const tasks = resolveTasks(
    [...study.tasks, ...memorizationTasks(study), ...(comparesNormalizers ? heldoutLossTasks(study) : [])],
    options,
  );
  const memo = new Memo();
  return planPruning(runs, async (run) => {
    const missing = hasDistance(run) ? [] : ["distance"];
    if (comparesNormalizers && !hasGradientShare(run)) missing.push("gradient share");
    for (const { task, settings } of tasks) {
      try {
        const stored = await storedResult(subjectOf(run), task, { ...options, ...settings }, memo);
        if (!stored) missing.push(task.name);
      } catch (error) {
        if (!(error instanceof PromptlossError)) throw error;
        missing.push(`${task.name} (cannot be checked: ${error.message})`); // its data or judge is not there
      }
    }
    return missing;
  });
}
