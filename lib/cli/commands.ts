import type { ParseArgsConfig } from "node:util";
import type { Answer, Values } from "./values";

interface Command {
  usage: string;
  summary: string;
  options: NonNullable<ParseArgsConfig["options"]>;
  /** Loads the command's code, only when it is called: `status` should not wait for TensorFlow. */
  load(): Promise<{ run(values: Values, signal: AbortSignal): Answer | Promise<Answer> }>;
}

const texts = (...names: string[]) => Object.fromEntries(names.map((name) => [name, { type: "string" as const }]));

export const COMMANDS: Record<string, Command> = {
  doctor: {
    usage: "[--store dir]",
    summary: "checks this machine: versions, device, threads, memory, addon, kernel, browser, store",
    options: texts("store"),
    load: () => import("./doctor"),
  },
  fetch: {
    usage: "[--study file] [--data name,…] [--model hf:…,…] [--dir dir]",
    summary:
      "fetches the models, data sets and benchmarks of a study, or those named (hf:owner/name@revision, or a name of " +
      "the catalogue), and continues what was interrupted",
    options: texts("study", "data", "model", "dir"),
    load: () => import("./fetch"),
  },
  describe: {
    usage: "--data file --tokenizer dir | [--study file] [--dataset name]",
    summary: "Table 1 for one data set, or for all data sets of a study",
    options: texts("data", "tokenizer", "study", "dataset"),
    load: () => import("./describe"),
  },
  transform: {
    usage: "--data file --tokenizer dir --out file [--target ratio [--seed n]]",
    summary: "inverts long completions, or brings the data to a generation ratio",
    options: texts("data", "tokenizer", "out", "target", "seed"),
    load: () => import("./transform"),
  },
  train: {
    usage:
      "--plw w (--model dir --data file | [--study file] --model name --dataset name) [--normalizer n] [--seed n] " +
      "[--truncation t] [--hyperparameters json] [--store dir]",
    summary: "trains one run, or continues it if it was interrupted",
    options: texts(
      "plw",
      "model",
      "data",
      "study",
      "dataset",
      "normalizer",
      "seed",
      "truncation",
      "hyperparameters",
      "store",
    ),
    load: () => import("./train"),
  },
  sweep: {
    usage: "[--study file] [--store dir] [--workers n] [--workers-per-gpu n]",
    summary: "trains the runs of a study that are not in the store yet",
    options: texts("study", "store", "workers", "workers-per-gpu"),
    load: () => import("./sweep"),
  },
  evaluate: {
    usage:
      "[--tasks a,b] [--study file | --run id | --model dir] [--store dir] [--data dir] [--limit n] [--few-shot n] " +
      "[--max-new-tokens n] [--format f] [--workers n]",
    summary: "scores the complete runs of a study, one run, or a model on benchmarks (default: the pocket benchmarks)",
    options: texts(
      "tasks",
      "study",
      "run",
      "model",
      "store",
      "data",
      "limit",
      "few-shot",
      "max-new-tokens",
      "format",
      "workers",
    ),
    load: () => import("./evaluate"),
  },
  status: {
    usage: "[--study file] [--store dir]",
    summary: "lists which runs of a study are complete, partial, failed or missing",
    options: texts("study", "store"),
    load: () => import("./status"),
  },
  study: {
    usage: "[--study file] [--store dir] [--out dir] [--workers n]",
    summary: "runs the whole study: sweep, then every notebook; figures go to out/figures",
    options: texts("study", "store", "out", "workers"),
    load: () => import("./study"),
  },
};
