// What a study will take before anything of it starts: runs, tokens, memory, disk and time.
import { existsSync, statfsSync } from "node:fs";
import { dirname } from "node:path";
import { checkOptions, count, flag, type OptionSchemas } from "../../data/arguments";
import { PromptlossError, StudyError } from "../../data/errors";
import { text } from "../../data/validate";
import type { Job } from "../../runs/job";
import { RunStore } from "../../runs/store";
import { machineMemory } from "../../workers/plan";
import { measureRates } from "./measured-rates";
import { diskProblems, memoryProblems, type PlannedMachine, type PlanProblem } from "./plan-problems";
import { checkpointsAtOnce, plannedPools, poolSeconds, type PlannedPool } from "./planned-pool";
import { RunPlanner, type PlannedRun } from "./planned-run";
import { ratesOfRuns, rateKey, type MeasuredRate } from "./rates";
import { wantedRuns, type Study } from "../study";
import { resolveJobs, type RunFailureReport } from "../sweep";

/** Options of {@link planStudy}. */
export interface StudyPlanOptions {
  /** folder of the run store; default: `PROMPTLOSS_RUNS`, or `runs` */
  store?: string;
  /** number of worker processes; default: as many as the cores and the memory, or the GPUs, allow */
  workers?: number;
  /** whether training steps are measured, for about 20 s, where complete runs do not tell the rate; default true */
  measure?: boolean;
  /** bytes of memory; default: this machine's */
  memory?: number;
  /** bytes that are free for the run store; default: as its disk says */
  freeDisk?: number;
}

const OPTIONS: OptionSchemas<StudyPlanOptions> = {
  store: text,
  workers: count,
  measure: flag,
  memory: count,
  freeDisk: count,
};

/** What a study will take; see {@link planStudy}. */
export interface StudyPlan {
  study: string;
  /** folder of the run store */
  store: string;
  /** number of runs that the study asks for, and of those that are complete, or failed, in the store */
  runs: { wanted: number; complete: number; failed: number };
  /** runs to train, in the order of the sweep */
  pools: PlannedPool[];
  /** runs that cannot be trained, with the reason */
  failures: RunFailureReport[];
  rates: MeasuredRate[];
  /** bytes of the sweep and its workers at the most */
  memory: number;
  /** bytes of models, exactly; of checkpoints while runs are trained, at the most; and of records, roughly */
  disk: { models: number; checkpoints: number; records: number };
  machine: PlannedMachine;
  /** estimated duration of the training; null where a rate is not known */
  seconds: number | null;
  /** what does not fit */
  problems: PlanProblem[];
}

/** Bytes that the sweep's own process takes beside its workers. */
const PARENT = 130e6;
/** Bytes of a step's records, steps.jsonl and TensorBoard's, and of a run's others. */
const RECORDS = { step: 570, run: 5000 };

/**
 * Plans the training of a study without starting any: which runs are missing, which processes will train them, and what
 * memory, disk and time that takes. Rows are encoded as training does, so that tokens and the longest rows are exact.
 * Nothing is measured if something does not fit.
 *
 * @throws {StudyError} listing every problem of the study by field, or if measuring fails
 */
export async function planStudy(study: Study, options: StudyPlanOptions = {}): Promise<StudyPlan> {
  checkOptions("planStudy", options, OPTIONS, { ErrorClass: StudyError });
  const store = new RunStore(options.store);
  const machine: PlannedMachine = {
    memory: options.memory ?? machineMemory(),
    freeDisk: options.freeDisk ?? freeDisk(store.root),
  };
  const { jobs, failures } = resolveJobs(wantedRuns(study), store);
  const wanted = jobs.length + failures.length;
  const { complete, failed, runs } = sorted(jobs, store, failures);
  const pools = plannedPools(runs, options.workers, machine.memory);
  const disk = {
    models: sum(runs.map(({ files }) => sum(Object.values(files)))),
    checkpoints: Math.max(0, ...pools.map(checkpointsAtOnce)),
    records: sum(runs.map(({ volume }) => RECORDS.run + RECORDS.step * volume.steps)),
  };
  const problems = [...memoryProblems(pools, machine), ...diskProblems(disk, machine, store.root)];
  const rates = await ratesOf(pools, complete, problems.length === 0 && options.measure !== false);
  const seconds = pools.map((pool) => poolSeconds(pool, rates));
  return {
    study: study.name,
    store: store.root,
    runs: { wanted, complete: complete.length, failed },
    pools,
    failures,
    rates,
    memory: PARENT + Math.max(0, ...pools.map(({ memory }) => memory)),
    disk,
    machine,
    seconds: seconds.includes(null) ? null : sum(seconds as number[]),
    problems,
  };
}

/** Plans the runs, and finds out which are done. Runs that cannot be planned are added to `failures`. */
function sorted(jobs: readonly Job[], store: RunStore, failures: RunFailureReport[]) {
  const planner = new RunPlanner(store.root);
  const result = { complete: [] as Parameters<typeof ratesOfRuns>[0][number][], failed: 0, runs: [] as PlannedRun[] };
  for (const job of jobs) {
    const run = store.get(job.id);
    try {
      if (run?.status === "failed") result.failed++;
      else if (run?.status === "complete") result.complete.push({ ...planner.planned(job), run });
      else result.runs.push(planner.planned(job));
    } catch (error) {
      if (!(error instanceof PromptlossError)) throw error;
      failures.push({ run: job.name, message: error.message });
    }
  }
  planner.save();
  return result;
}

/** Rates of complete runs, and of the other kinds of runs by measurement if that is wanted. */
async function ratesOf(
  pools: readonly PlannedPool[],
  complete: Parameters<typeof ratesOfRuns>[0],
  measure: boolean,
): Promise<MeasuredRate[]> {
  const needed = new Set(pools.flatMap(({ runs }) => runs.map(({ job }) => rateKey(job))));
  const known = ratesOfRuns(complete).filter(({ key }) => needed.has(key));
  return measure ? [...known, ...(await measureRates(pools, new Set(known.map(({ key }) => key))))] : known;
}

/** Bytes that are free on the disk of a folder, which need not exist yet. */
function freeDisk(folder: string): number {
  while (!existsSync(folder)) folder = dirname(folder);
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
