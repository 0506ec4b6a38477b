import { formatBytes } from "../data/format-bytes";
import { groupBy } from "../data/group";
import { duration } from "../notebook/progress-text";
import { tableText } from "../notebook/show-table";
import { runSeconds } from "../sweep/plan/planned-pool";
import type { PlannedRun } from "../sweep/plan/planned-run";
import { rateKey, type MeasuredRate } from "../sweep/plan/rates";
import { loadStudy } from "../sweep/study-file";
import { planStudy, type StudyPlan } from "../sweep/plan/study-plan";
import type { TrainingMemory } from "../train/memory-estimate";
import { countOf, pathOf, type Answer, type Values } from "./values";

/** Says what a study will take; fails if something of it cannot be. */
export async function run(values: Values): Promise<Answer> {
  const study = loadStudy(pathOf(values, "study"));
  const plan = await planStudy(study, {
    store: pathOf(values, "store"),
    workers: countOf(values, "workers"),
    measure: values["no-measuring"] === undefined,
  });
  const cases = casesOf(plan);
  return {
    text: [
      head(plan),
      ...tables(cases),
      ...amounts(plan),
      ...(study.tasks.length > 0 ? [NOT_COUNTED] : []),
      ...refusals(plan),
    ].join("\n"),
    result: resultOf(plan, cases),
    failed: plan.problems.length + plan.failures.length > 0,
  };
}

/** Runs that differ in weight, normalizer and seed only. */
interface Case {
  model: string;
  dataset: string;
  variant: string | null;
  /** number of runs to train */
  runs: number;
  /** rows that are trained on; cut at the maximum length; left out */
  rows: number;
  truncated: number;
  dropped: number;
  /** of the longest row, in tokens */
  longestRow: number;
  /** of one run */
  steps: number;
  /** of all these runs */
  tokens: number;
  /** bytes of the run that takes most */
  memory: TrainingMemory;
  /** sizes of the files of a run's model in bytes, by name */
  files: Record<string, number>;
  checkpoint: number;
  /** of one run; null if the rate is not known */
  seconds: number | null;
}

function casesOf({ pools, rates }: StudyPlan): Case[] {
  const runs = pools.flatMap((pool) => pool.runs);
  const groups = groupBy(runs, ({ job: { recipe } }) =>
    JSON.stringify([recipe.model.name, recipe.data.name, recipe.variant]),
  );
  return [...groups.values()].map((group) => caseOf(group, rates));
}

function caseOf(runs: readonly PlannedRun[], rates: readonly MeasuredRate[]): Case {
  const largest = runs.reduce((a, b) => (b.memory.total > a.memory.total ? b : a));
  const { job, lengths, volume, files, checkpoint } = largest;
  const rate = rates.find(({ key }) => key === rateKey(job));
  const { model, data, variant = null } = job.recipe;
  return {
    model: model.name,
    dataset: data.name,
    variant,
    runs: runs.length,
    rows: lengths.rows.length,
    truncated: lengths.truncated,
    dropped: lengths.dropped,
    longestRow: Math.max(...runs.map((run) => run.volume.longestRow)),
    steps: volume.steps,
    tokens: runs.reduce((sum, run) => sum + run.volume.tokens, 0),
    memory: largest.memory,
    files,
    checkpoint,
    seconds: rate ? runSeconds(largest, rate) : null,
  };
}

function head({ study, store, runs, pools }: StudyPlan): string {
  const missing = pools.reduce((sum, pool) => sum + pool.runs.length, 0);
  const failed = runs.failed > 0 ? `${runs.failed} failed, ` : "";
  return `Study ${study} in ${store}: ${runs.wanted} runs, ${runs.complete} complete, ${failed}${missing} to train`;
}

const MEMORY_PARTS = [
  "process",
  "weights",
  "gradients",
  "moments",
  "activations",
  "logits",
  "factors",
  "attention",
  "copies",
] as const satisfies readonly (keyof TrainingMemory)[];

function tables(cases: readonly Case[]): string[] {
  if (cases.length === 0) return [];
  const name = ({ model, dataset, variant }: Case) =>
    [model, dataset, ...(variant === null ? [] : [variant])].join(" · ");
  const training = {
    columns: ["training", "runs", "rows", "longest", "steps", "tokens of all runs", "time of a run"],
    values: cases.map((each) => [
      name(each),
      each.runs,
      each.rows,
      each.longestRow,
      each.steps,
      String(each.tokens),
      each.seconds === null ? "" : duration(each.seconds),
    ]),
  };
  const parts = MEMORY_PARTS.filter((part) => part !== "factors" || cases.some(({ memory }) => memory.factors > 0));
  const memory = {
    columns: ["memory of a run", ...parts, "total"],
    values: cases.map((each) => [
      name(each),
      ...[...parts, "total" as const].map((part) => formatBytes(each.memory[part])),
    ]),
  };
  return [tableText(training), tableText(memory)];
}

function amounts({ pools, memory, disk, machine, seconds, rates }: StudyPlan): string[] {
  if (pools.length === 0) return [];
  const workers = pools.map(({ plan: { workers, threads }, memory: bytes }) => {
    return `${counted(workers, "worker")} of ${counted(threads, "thread")} (${formatBytes(bytes)})`;
  });
  const measured = rates.filter(({ runs }) => runs === 0).length;
  const known = rates.length - measured;
  const source = [
    ...(known > 0 ? ["complete runs of the store"] : []),
    ...(measured > 0 ? ["some steps that were measured"] : []),
  ].join(" and ");
  return [
    `Memory: ${formatBytes(memory)} at the most, of ${formatBytes(machine.memory)}: ${workers.join(", then ")}`,
    `Disk: ${formatBytes(disk.models)} for the models, at most ${formatBytes(disk.checkpoints)} for checkpoints while ` +
      `they are trained, about ${formatBytes(disk.records)} for records of steps; ` +
      `${formatBytes(machine.freeDisk)} are free. Scores and figures are not counted.`,
    seconds === null
      ? "Time: not known, since nothing was measured"
      : `Time: about ${duration(seconds)} of training, by ${source}`,
  ];
}

const NOT_COUNTED = "Not counted: the time of the benchmarks, and what their answers take on the disk.";

const refusals = ({ problems, failures }: StudyPlan): string[] => [
  ...problems.map(({ message }) => `Does not fit: ${message}`),
  ...failures.map(({ run, message }) => `Cannot be trained: ${run}: ${message}`),
];

function resultOf(plan: StudyPlan, cases: readonly Case[]): object {
  const { study, store, runs, pools, failures, rates, memory, disk, machine, seconds, problems } = plan;
  return {
    study,
    store,
    runs: { ...runs, toTrain: cases.reduce((sum, each) => sum + each.runs, 0) },
    cases,
    pools: pools.map(({ runs, plan: { workers, threads }, memory }) => ({
      runs: runs.length,
      workers,
      threads,
      memory,
    })),
    memory,
    disk,
    machine,
    rates,
    seconds,
    problems,
    failures,
  };
}

const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`;
