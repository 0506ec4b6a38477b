import { PromptlossError } from "../data/errors";
import { usableRun, type Run, type RunStore } from "../runs/store";
import { wantedRuns, type Study } from "./study";
import { resolveJobs } from "./sweep";

/** A run that a study asks for, and what the run store has of it. */
export interface StoredRun {
  /** display name */
  name: string;
  /** `missing`: not in the store; `impossible`: its model or data cannot be read */
  status: Run["status"] | "missing" | "impossible";
  /** why the run is not complete, without a period at the end; "" if it is, or nothing is known */
  reason: string;
  /** the complete run, under the names of the study */
  run?: Run;
}

/** Looks up every run that a study asks for, in the order of the study; those that are impossible come last. */
export function storedRuns(study: Study, store: RunStore): StoredRun[] {
  const { jobs, failures } = resolveJobs(wantedRuns(study), store);
  return [
    ...jobs.map(({ id, name, recipe }): StoredRun => {
      const run = store.get(id)?.named(recipe);
      if (!run) return { name, status: "missing", reason: "not trained yet" };
      if (run.status === "failed")
        return { name, status: "failed", reason: withoutPeriod(run.error?.message ?? "no cause recorded") };
      if (run.status !== "complete") return { name, status: run.status, reason: stepsOf(run) };
      try {
        return { name, status: "complete", reason: "", run: usableRun(run) };
      } catch (error) {
        if (!(error instanceof PromptlossError)) throw error;
        return { name, status: "failed", reason: withoutPeriod(error.message) };
      }
    }),
    ...failures.map(({ run, message }): StoredRun => {
      return { name: run, status: "impossible", reason: withoutPeriod(message) };
    }),
  ];
}

const stepsOf = ({ records, record: { totalSteps } }: Run): string => `step ${records.length} of ${totalSteps}`;

const withoutPeriod = (text: string): string => text.replace(/\.$/, "");
