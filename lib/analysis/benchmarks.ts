import type { TaskRequest } from "../evaluate/task-request";
import { ownTaskType, primaryMetric } from "../evaluate/tasks/own-task";

/** What figures and tables call a task, and how they use its scores. */
export interface Benchmark {
  name: string;
  /** name of its task, without version */
  task: string;
  /** multiple choice, short generation or long generation; null if unknown */
  type: "MC" | "G_S" | "G_L" | null;
  /**
   * how the score of the paper's short-completion models depends on PLW (appendix A): I peaks, II rises, III is noise;
   * null for a benchmark that is not in the paper
   */
  group: "I" | "II" | "III" | null;
  /** metrics in order of preference; the first one that a result has is the benchmark's score */
  metrics: readonly string[];
  /** translation: whether the source language is English */
  from?: "English" | "other";
}

/** A benchmark of the paper's Table 2, or its counterpart about the pocket world. */
export type PaperBenchmark = Benchmark & { type: "MC" | "G_S" | "G_L"; group: "I" | "II" | "III" };

const MC2 = ["mc2", "acc"];

/**
 * The paper's thirteen benchmarks. The paper does not name its metrics. Used here: those of Hugging Face's leaderboard,
 * which the paper says it matches; for TruthfulQA-Gen the share of answers that are closer (by BLEU) to a correct than
 * to an incorrect answer; BLEU for translation; win rates for long generation.
 */
export const BENCHMARKS: readonly PaperBenchmark[] = [
  { name: "ARC Challenge", task: "arc_challenge", type: "MC", group: "I", metrics: ["acc_norm"] },
  { name: "PIQA", task: "piqa", type: "MC", group: "I", metrics: ["acc"] },
  { name: "TruthfulQA-MC2", task: "truthfulqa_mc2", type: "MC", group: "II", metrics: MC2 },
  { name: "WinoGrande", task: "winogrande", type: "MC", group: "I", metrics: ["acc"] },
  { name: "TruthfulQA-Gen", task: "truthfulqa_gen", type: "G_S", group: "I", metrics: ["bleu_acc"] },
  translation("WMT14 En→Fr", "wmt14-en-fr", "English"),
  translation("WMT14 Fr→En", "wmt14-fr-en", "other"),
  translation("WMT16 En→De", "wmt16-en-de", "English"),
  translation("WMT16 De→En", "wmt16-de-en", "other"),
  translation("WMT16 En→Ro", "wmt16-en-ro", "English"),
  translation("WMT16 Ro→En", "wmt16-ro-en", "other"),
  { name: "Alpaca Eval", task: "alpaca_eval", type: "G_L", group: "II", metrics: ["win_rate"] },
  { name: "PandaLM", task: "pandalm", type: "G_L", group: "II", metrics: ["win_rate"] },
];

/** Their counterparts about the pocket world, in the same order, under names of their own. */
export const POCKET_BENCHMARKS: readonly PaperBenchmark[] = [
  { name: "Pocket Facts", task: "pocket-arc", type: "MC", group: "I", metrics: ["acc_norm"] },
  { name: "Pocket Ways", task: "pocket-piqa", type: "MC", group: "I", metrics: ["acc"] },
  { name: "Pocket Myths (choice)", task: "pocket-truthfulqa-mc2", type: "MC", group: "II", metrics: MC2 },
  { name: "Pocket Blanks", task: "pocket-winogrande", type: "MC", group: "I", metrics: ["acc"] },
  { name: "Pocket Myths (answer)", task: "pocket-truthfulqa-gen", type: "G_S", group: "I", metrics: ["bleu_acc"] },
  translation("Pocket En→Fl", "pocket-wmt-en-fl", "English"),
  translation("Pocket Fl→En", "pocket-wmt-fl-en", "other"),
  translation("Pocket En→Dk", "pocket-wmt-en-dk", "English"),
  translation("Pocket Dk→En", "pocket-wmt-dk-en", "other"),
  translation("Pocket En→Rm", "pocket-wmt-en-rm", "English"),
  translation("Pocket Rm→En", "pocket-wmt-rm-en", "other"),
  { name: "Pocket Requests", task: "pocket-alpaca-eval", type: "G_L", group: "II", metrics: ["win_rate"] },
  { name: "Pocket Writing", task: "pocket-pandalm", type: "G_L", group: "II", metrics: ["win_rate"] },
];

function translation(name: string, task: string, from: "English" | "other"): PaperBenchmark {
  return { name, task, type: "G_S", group: "III", metrics: ["bleu"], from };
}

const KNOWN = [...BENCHMARKS, ...POCKET_BENCHMARKS];

/**
 * Finds the benchmark of a task.
 *
 * @param task name, optionally with a version such as "@b281b09" (the paper's commit)
 * @returns undefined if the task is neither a benchmark of Table 2 nor its pocket counterpart
 */
export function benchmarkOf(task: string): PaperBenchmark | undefined {
  const [name] = task.split("@");
  return KNOWN.find((benchmark) => benchmark.task === name);
}

/**
 * Describes a task that a study asks for: one of Table 2 or a pocket counterpart, a task of one's own, or another
 * registered task, which has its task name and no group.
 */
export function benchmarkOfRequest({ name, metric, own }: TaskRequest): Benchmark {
  const known = benchmarkOf(name);
  const metrics = [
    ...(metric === undefined ? [] : [metric]),
    ...(own ? [primaryMetric(own)] : (known?.metrics ?? ["acc"])),
  ];
  if (known) return { ...known, metrics };
  return { name, task: name, type: own ? ownTaskType(own) : null, group: null, metrics };
}

/** Finds a benchmark of Table 2, or its pocket counterpart, by its display name. */
export function benchmarkNamed(name: string): PaperBenchmark | undefined {
  return KNOWN.find((benchmark) => benchmark.name === name);
}

/**
 * Returns the source language of a translation benchmark: "English", or "other" if it translates into English.
 *
 * @param benchmark display name
 * @returns null if the benchmark is not a translation
 */
export function translationFrom(benchmark: string): "English" | "other" | null {
  return benchmarkNamed(benchmark)?.from ?? null;
}
