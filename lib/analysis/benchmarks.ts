/** One row of the paper's Table 2. */
export interface Benchmark {
  name: string;
  /** the task's names here: the real one, and its pocket counterpart */
  tasks: readonly string[];
  type: "MC" | "G_S" | "G_L";
  /** by how the paper's short-completion models depend on PLW (appendix A): I peaks, II rises, III is noise */
  group: "I" | "II" | "III";
  /** the metric that stands for it, the first that a result has */
  metrics: readonly string[];
}

/**
 * The paper's thirteen benchmarks. It does not name its metrics: here they are those of Hugging Face's leaderboard, which it
 * says it matches, the share of answers nearer to a right than to a wrong one (BLEU) for TruthfulQA-Gen, BLEU and win rates.
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

/** The benchmark that a task is, its version by the paper's commit included; undefined for any other task. */
export function benchmarkOf(task: string): Benchmark | undefined {
  const [name] = task.split("@");
  return BENCHMARKS.find(({ tasks }) => tasks.includes(name));
}

/** Whether translation goes from English, into English, or it is none. */
export function translationFrom(benchmark: string): "English" | "other" | null {
  if (!benchmark.startsWith("WMT")) return null;
  return / En→/.test(benchmark) ? "English" : "other";
}
