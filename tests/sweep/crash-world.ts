// What the crash tests share: a study of two short runs, sweeps of it in processes of their own, and their results.
import { spawn, type ChildProcess } from "node:child_process";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { RunStore, runFiles } from "../../lib/runs/store";
import { QUICK, tinyExamples, tinyModel, writeJson } from "../runs/world";

/** Steps of both runs of the study. */
export const STEPS = 2 * 48;

/** Writes the study and its data into a folder and returns the study file. */
export function crashStudy(dir: string): string {
  return writeJson(join(dir, "study.json"), {
    name: "crash",
    models: { a: tinyModel(join(dir, "a"), 1) },
    datasets: { One: { path: writeJson(join(dir, "one.json"), tinyExamples(24, 1)) } },
    plws: [0, 0.1],
    hyperparameters: { ...QUICK, epochs: 8 },
  });
}

/** A sweep in a process of its own, and what it printed. */
export type SweepProcess = ChildProcess & { output: string };

/** Starts a sweep, with a checkpoint after every third step. */
export function startSweep(study: string, store: string, workers: number, env: NodeJS.ProcessEnv = {}): SweepProcess {
  const script = join(__dirname, "sweep-process.ts");
  const child = spawn(process.execPath, ["--import", "tsx", script, study, store, String(workers)], {
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...env },
  });
  const started = Object.assign(child, { output: "" });
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (text: Buffer) => {
      started.output += text.toString();
    });
  return started;
}

/** Resolves to the exit code of a process that has not ended yet; null if a signal ended it. */
export const exit = (child: ChildProcess) =>
  new Promise<number | null>((resolve) => {
    child.on("close", (code) => resolve(code)); // not "exit": all of its output is there then
  });

/** Counts the recorded steps of all runs in a store, unfinished runs included. */
export function stepsOnRecord(store: string): number {
  if (!existsSync(store)) return 0;
  return readdirSync(store)
    .map((id) => join(store, id, "steps.jsonl"))
    .filter((file) => existsSync(file))
    .reduce((sum, file) => sum + readFileSync(file, "utf8").split("\n").length - 1, 0);
}

/** Weights and records of all complete runs, without times; and the files in their folders. */
export const results = (store: string) =>
  new RunStore(store)
    .list()
    .map((run) => ({
      name: run.name,
      status: run.status,
      weights: readFileSync(runFiles(run.dir).weights).toString("base64"),
      records: run.records.map((record) => ({ ...record, seconds: 0 })),
      files: readdirSync(run.dir).sort(),
    }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
