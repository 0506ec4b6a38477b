import { TRUNCATIONS } from "../data/encode";
import { TURNS } from "../data/loss-weighting";
import { NORMALIZERS } from "../data/normalizer";
import { PARTS } from "../data/parts";
import { FORMATS } from "../evaluate/task";
import { TOOL_NORMALIZERS, TOOLS } from "../export/tools";
import type { Command, Option } from "./command";

const study: Option = {
  placeholder: "file",
  description: "study file",
  default: "PROMPTLOSS_STUDY, or studies/pocket.json",
};
const store: Option = {
  placeholder: "dir",
  description: "folder of the run store",
  default: "PROMPTLOSS_RUNS, or runs",
};
const workers: Option = {
  placeholder: "n",
  description: "worker processes",
  default: "one for each core, as far as the memory allows; one for each GPU",
};

/** The commands by name, in the order of the help. */
export const COMMANDS: Record<string, Command> = {
  doctor: {
    summary: "checks this machine: versions, device, threads, memory, addon, kernel, browser, store",
    options: { store },
    load: () => import("./doctor"),
  },
  "gpu-check": {
    summary: "checks and measures the GPU in seven minutes: parity, speed, memory, kill and resume; small on a CPU",
    options: {
      out: { placeholder: "file", description: "where each result goes as soon as it is there, as JSON Lines" },
      python: {
        placeholder: "file",
        description: "Python interpreter that has PyTorch, which is measured on the same work",
        default: "without PyTorch",
      },
      minutes: { placeholder: "n", description: "time for everything; what is left then is not done", default: "7" },
    },
    load: () => import("./gpu-check"),
  },
  fetch: {
    summary:
      "fetches the models, data sets and benchmarks of a study, or those named, and continues what was interrupted",
    options: {
      study: { ...study, default: `${study.default}; no study if --data or --model is given` },
      data: {
        placeholder: "name,…",
        description: "data sets: hf:owner/name@revision, or names of the catalogue",
        default: "those of the study",
      },
      model: { placeholder: "hf:…,…", description: "models: hf:owner/name@revision", default: "those of the study" },
      dir: {
        placeholder: "dir",
        description: "folder for data sets of the catalogue",
        default: "the study's dataDir, or datasets/benchmarks",
      },
    },
    load: () => import("./fetch"),
  },
  describe: {
    summary: "Table 1 for one data set, or for all data sets of a study",
    options: {
      data: { placeholder: "file", description: "rows in Alpaca's format, instead of a study's data sets" },
      tokenizer: {
        placeholder: "dir",
        description: "folder of the tokenizer that counts; must be given with --data",
        default: "the study's first model",
      },
      study,
      dataset: { placeholder: "name", description: "one data set of the study", default: "all" },
    },
    alternatives: [
      ["data", "tokenizer"],
      ["study?", "dataset?", "tokenizer?"],
    ],
    load: () => import("./describe"),
  },
  audit: {
    summary:
      "says what the loss will see of a study's data, or of a file: tokens by part with their share of the loss, and " +
      "rows that lose learning, if there are any with exit code 1",
    options: {
      data: { placeholder: "file", description: "rows, instead of a study's data sets" },
      model: {
        placeholder: "dir",
        description: "folder of the tokenizer and its chat template; must be given with --data",
      },
      "chat-template": {
        placeholder: "file",
        description: "Jinja text of conversations' chat template",
        default: "the tokenizer's",
      },
      plws: { placeholder: "w,…", description: "prompt loss weights", default: "0,0.1,1" },
      normalizers: {
        placeholder: "name,…",
        description: `what the weighted loss is divided by: ${NORMALIZERS.join(", ")}`,
        default: NORMALIZERS[0],
      },
      "max-length": { placeholder: "n", description: "tokens of a row; longer ones are cut", default: "512" },
      "completion-weight": { placeholder: "w", description: "weight of the tokens of answers", default: "1" },
      "part-weight": {
        placeholder: "part=w,…",
        description: "weights that replace those of parts, such as end=2",
        default: "none",
      },
      turns: { placeholder: "name", description: "which answers are learned", default: TURNS[0], choices: TURNS },
      markers: {
        placeholder: "json",
        description:
          "list of texts that another tool searches for in token ids to find turns; rows where it would miss them are " +
          "named",
      },
      study,
      dataset: { placeholder: "name", description: "one data set of the study", default: "all" },
      allow: {
        placeholder: "kind,…",
        description: "kinds of problem that do not fail the command, such as answer-cut",
        default: "none",
      },
      out: { placeholder: "file", description: "where the table goes, as CSV, LaTeX and HTML", default: "nowhere" },
    },
    alternatives: [
      [
        "data",
        "model",
        "chat-template?",
        "plws?",
        "normalizers?",
        "max-length?",
        "completion-weight?",
        "part-weight?",
        "turns?",
        "markers?",
      ],
      ["study?", "dataset?"],
    ],
    load: () => import("./audit"),
  },
  transform: {
    summary: "inverts long completions, or brings the data to a generation ratio",
    options: {
      data: { placeholder: "file", description: "rows in Alpaca's format", required: true },
      tokenizer: { placeholder: "dir", description: "folder of the tokenizer that counts", required: true },
      out: { placeholder: "file", description: "where the new rows go, as JSON", required: true },
      target: {
        placeholder: "ratio",
        description: "generation ratio to reach: completion tokens over prompt tokens",
        default: "none: rows with long completions are inverted",
      },
      seed: { placeholder: "n", description: "with --target: seed of the choice of rows", default: "42" },
    },
    load: () => import("./transform"),
  },
  train: {
    summary: "trains one run, or continues it if it was interrupted",
    options: {
      plw: { placeholder: "w", description: "prompt loss weight, at least 0", required: true },
      model: { placeholder: "dir|name", description: "model: a folder with --data, else a name of the study" },
      data: { placeholder: "file", description: "rows in Alpaca's format, instead of a study's data set" },
      dataset: {
        placeholder: "name",
        description: "data set of the study; with --data, the name of the rows in the run's record",
        default: "with --data, the file's name",
      },
      study,
      "completion-weight": {
        placeholder: "w",
        description: "weight of the completion (λr), at least 0",
        default: "the study's first, or 1",
      },
      "part-weight": {
        placeholder: "part=w,…",
        description: `weights of parts, which replace the others there; parts: ${PARTS.join(", ")}`,
        default: "the study's first set, or none",
      },
      turns: {
        placeholder: "name",
        description: "which answers of a conversation count as completion",
        default: "the study's, or all",
        choices: TURNS,
      },
      normalizer: {
        placeholder: "name",
        description: "what the weighted loss is divided by",
        default: `the study's first, or ${NORMALIZERS[0]}`,
        choices: NORMALIZERS,
      },
      variant: {
        placeholder: "name",
        description: "variant of the study",
        default: "the study's first, if it has any",
      },
      seed: { placeholder: "n", description: "seed of the order of the rows", default: "the study's first, or 42" },
      truncation: {
        placeholder: "name",
        description: "what happens to rows longer than maxLength",
        default: "the study's, or truncate",
        choices: TRUNCATIONS,
      },
      hyperparameters: {
        placeholder: "json",
        description: 'hyperparameters that differ, such as {"epochs": 1}',
        default: "the study's, or those of Stanford Alpaca",
      },
      store,
    },
    alternatives: [
      ["model", "data", "dataset?"],
      ["model", "dataset", "study?", "variant?"],
    ],
    load: () => import("./train"),
  },
  plan: {
    summary: "says what a study takes before it starts: runs, tokens, memory, disk, time; refuses what cannot fit",
    options: {
      study,
      store,
      workers,
      "no-measuring": { description: "measures no training steps, which takes about 20 s; the time is then not known" },
    },
    load: () => import("./plan"),
  },
  sweep: {
    summary: "trains the runs of a study that are not in the store yet",
    options: {
      study,
      store,
      workers,
      "workers-per-gpu": { placeholder: "n", description: "worker processes on each GPU", default: "1" },
    },
    load: () => import("./sweep"),
  },
  evaluate: {
    summary: "scores the complete runs of a study, one run, or a model on benchmarks",
    options: {
      study,
      run: { placeholder: "id", description: "one run of the store, instead of a study's runs" },
      model: { placeholder: "dir", description: "a model's folder, instead of runs" },
      tasks: {
        placeholder: "name,…",
        description: "tasks, or the groups paper and pocket",
        default: "those of the study",
      },
      store,
      data: {
        placeholder: "dir",
        description: "folder of the benchmarks' data",
        default: "the study's dataDir, or datasets/benchmarks",
      },
      limit: { placeholder: "n", description: "items of each task, counted from the first", default: "all" },
      "few-shot": { placeholder: "n", description: "examples before each question", default: "each task's number" },
      "max-new-tokens": {
        placeholder: "n",
        description: "maximum length of generated answers, in tokens",
        default: "each task's",
      },
      "chat-template": {
        placeholder: "yes|no",
        description: "put prompts through the model's chat template, and stop at its end of turn",
        default: "yes for runs trained on conversations",
        choices: ["yes", "no"],
      },
      "few-shot-as-turns": {
        placeholder: "yes|no",
        description: "examples as turns of the chat; no: all in the message with the question",
        default: "yes with the chat template",
        choices: ["yes", "no"],
      },
      "system-prompt": { placeholder: "text", description: "content of a system message", default: "none" },
      format: {
        placeholder: "name",
        description: "layout of translation prompts",
        default: FORMATS[0],
        choices: FORMATS,
      },
      workers,
    },
    alternatives: [["study?"], ["run"], ["model"]],
    load: () => import("./evaluate"),
  },
  status: {
    summary: "lists which runs of a study are complete, partial, failed or missing",
    options: { study, store },
    load: () => import("./status"),
  },
  study: {
    summary: "runs the whole study: sweep, then every notebook; figures go to out/<study>/figures",
    options: {
      study,
      store,
      out: { placeholder: "dir", description: "folder of the outputs", default: "PROMPTLOSS_OUT, or out" },
      workers,
    },
    load: () => import("./study"),
  },
  settings: {
    summary: "says what to type in another training tool so that its loss is this one, and writes the rows for it",
    options: {
      for: { placeholder: "tool", description: "the other tool", required: true, choices: TOOLS },
      plw: { placeholder: "w", description: "prompt loss weight, at least 0", required: true },
      normalizer: {
        placeholder: "name",
        description: "what the weighted loss is divided by",
        default: TOOL_NORMALIZERS[0],
        choices: TOOL_NORMALIZERS,
      },
      "completion-weight": { placeholder: "w", description: "weight of the completion", default: "1" },
      "part-weight": {
        placeholder: "part=w,…",
        description: "weights of parts, such as thinking=0.8",
        default: "none",
      },
      turns: {
        placeholder: "name",
        description: "which answers of a conversation are learned",
        default: "all",
        choices: ["all", "last"],
      },
      "batch-size": {
        placeholder: "n",
        description: "rows of an optimizer batch, in the order of the file, where a tool needs them",
        default: "not known",
      },
      data: { placeholder: "file", description: "rows to write for the tool; needs --model, --out" },
      model: { placeholder: "dir", description: "folder of the tokenizer that encodes the rows" },
      "chat-template": {
        placeholder: "file",
        description: "Jinja text of conversations' chat template",
        default: "the tokenizer's",
      },
      "max-length": { placeholder: "n", description: "maximum length of a row in tokens", default: "512" },
      truncation: {
        placeholder: "name",
        description: "what happens to longer rows",
        default: "truncate",
        choices: TRUNCATIONS,
      },
      out: { placeholder: "dir", description: "folder for the rows, as JSON Lines and Parquet" },
    },
    load: () => import("./settings"),
  },
  report: {
    summary: "writes a study's stored results as one HTML page to send to others; trains and evaluates nothing",
    options: {
      study,
      store,
      out: { placeholder: "dir", description: "folder of the outputs", default: "PROMPTLOSS_OUT, or out" },
    },
    load: () => import("./report"),
  },
  prune: {
    summary: "shows which runs of a study have all their results stored, and deletes their parameters with --yes",
    options: { study, store, yes: { description: "deletes; without it nothing is deleted" } },
    load: () => import("./prune"),
  },
  start: {
    summary: "starts JupyterLab on your copies of the notebooks, work/<study>",
    options: {
      study,
      port: { placeholder: "n", description: "port on 127.0.0.1", default: "8888, or the next free one" },
      "no-browser": { description: "prints the address instead of opening a browser" },
    },
    handlesSignals: true,
    load: () => import("./start"),
  },
};
