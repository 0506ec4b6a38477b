import { distinct } from "../data/group";
import { RunStore } from "../runs/store";
import { wantedRuns, type Study } from "./study";
import { resolveJobs } from "./sweep";

/**
 * The study with every further weight that was trained for all of it: one that was added in a notebook is then seen by all others.
 * @param store default: `PROMPTLOSS_RUNS`, or `runs`
 */
export function withTrainedPlws(study: Study, store?: string): Study {
  const runs = new RunStore(store);
  const complete = runs.list().filter(({ status }) => status === "complete");
  const ids = new Set(complete.map(({ id }) => id));
  const others = distinct(complete.map(({ recipe }) => recipe.plw)).filter((plw) => !study.plws.includes(plw));
  const added = others.filter((plw) => {
    const { jobs, failures } = resolveJobs(wantedRuns({ ...study, plws: [plw] }), runs);
    return failures.length === 0 && jobs.every(({ id }) => ids.has(id));
  });
  return added.length === 0 ? study : { ...study, plws: [...study.plws, ...added].sort((a, b) => a - b) };
}
