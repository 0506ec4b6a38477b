/** A benchmark: one row of the paper's Table 2. */
export interface Benchmark {
  name: string;
  /** names of its tasks in this project: the real one, and its pocket counterpart */
  tasks: readonly string[];
  /** multiple choice, short generation or long generation */
  type: "MC" | "G_S" | "G_L";
  /**
   * how the score of the paper's short-completion models depends on PLW (appendix A): I peaks, II rises, III is noise
   */
  group: "I" | "II" | "III";
  /** metrics in order of preference; the first one that a result has is the benchmark's score */
  metrics: readonly string[];
}

/**
 * The paper's thirteen benchmarks. The paper does not name its metrics. Used here: those of Hugging Face's leaderboard,
 * which the paper says it matches; for TruthfulQA-Gen the share of answers that are closer (by BLEU) to a correct than
 * to an incorrect answer; BLEU for translation; win rates for long generation.
 */
export const BENCHMARKS: readonly Benchmark[] = [
  { name: "ARC Challenge", tasks: ["arc_challenge", "pocket-arc"], type: "MC", group: "I", metrics: ["acc_norm"] },
  { name: "PIQA", tasks: ["piqa", "pocket-piqa"], type: "MC", group: "I", metrics: ["acc"] },
  {
    name: "TruthfulQA-MC2",
    tasks: ["truthfulqa_mc2", "pocket-truthfulqa-mc2"],
    type: "MC",
    group: "II",
    metrics: ["mc2", "acc"],
  },
  { name: "WinoGrande", tasks: ["winogrande", "pocket-winogrande"], type: "MC", group: "I", metrics: ["acc"] },
  {
    name: "TruthfulQA-Gen",
    tasks: ["truthfulqa_gen", "pocket-truthfulqa-gen"],
    type: "G_S",
    group: "I",
    metrics: ["bleu_acc"],
  },
  translation("WMT14 En→Fr", "wmt14-en-fr", "pocket-wmt-en-fl"),
  translation("WMT14 Fr→En", "wmt14-fr-en", "pocket-wmt-fl-en"),
  translation("WMT16 En→De", "wmt16-en-de", "pocket-wmt-en-dk"),
  translation("WMT16 De→En", "wmt16-de-en", "pocket-wmt-dk-en"),
  translation("WMT16 En→Ro", "wmt16-en-ro", "pocket-wmt-en-rm"),
  translation("WMT16 Ro→En", "wmt16-ro-en", "pocket-wmt-rm-en"),
  {
    name: "Alpaca Eval",
    tasks: ["alpaca_eval", "pocket-alpaca-eval"],
    type: "G_L",
    group: "II",
    metrics: ["win_rate"],
  },
  { name: "PandaLM", tasks: ["pandalm", "pocket-pandalm"], type: "G_L", group: "II", metrics: ["win_rate"] },
];

function translation(name: string, ...tasks: string[]): Benchmark {
  return { name, tasks, type: "G_S", group: "III", metrics: ["bleu"] };
}

/**
 * Finds the benchmark of a task.
 *
 * @param task name, optionally with a version such as "@b281b09" (the paper's commit)
 * @returns undefined if the task is not a benchmark of Table 2
 */
export function benchmarkOf(task: string): Benchmark | undefined {
  const [name] = task.split("@");
  return BENCHMARKS.find(({ tasks }) => tasks.includes(name));
}

/**
 * Returns the source language of a translation benchmark: "English", or "other" if it translates into English.
 *
 * @param benchmark name in {@link BENCHMARKS}
 * @returns null if the benchmark is not a translation
 */
export function translationFrom(benchmark: string): "English" | "other" | null {
  if (!benchmark.startsWith("WMT")) return null;
  return / En→/.test(benchmark) ? "English" : "other";
}
