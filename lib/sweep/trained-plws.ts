import { distinct } from "../data/group";
import { RunStore } from "../runs/store";
import { wantedRuns, type Study } from "./study";
import { resolveJobs } from "./sweep";

/**
 * Extends a study by every prompt loss weight whose runs are all complete in the run store, for all models, data sets,
 * normalizers and seeds of the study. A weight that one notebook added is thus included in the others.
 *
 * @param store folder of the run store; default: `PROMPTLOSS_RUNS`, or `runs`
 * @returns a study with the prompt loss weights in ascending order, or `study` itself if there are no others
 */
export function withTrainedPlws(study: Study, store?: string): Study {
  const runs = new RunStore(store);
  const complete = runs.list().filter(({ status }) => status === "complete");
  const ids = new Set(complete.map(({ id }) => id));
  const candidates = distinct(complete.map(({ recipe }) => recipe.plw)).filter((plw) => !study.plws.includes(plw));
  const added = candidates.filter((plw) => {
    const { jobs, failures } = resolveJobs(wantedRuns({ ...study, plws: [plw] }), runs);
    return failures.length === 0 && jobs.every(({ id }) => ids.has(id));
  });
  return added.length === 0 ? study : { ...study, plws: [...study.plws, ...added].sort((a, b) => a - b) };
}
