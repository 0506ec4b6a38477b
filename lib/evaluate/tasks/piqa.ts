import { accuracy, normalizedAccuracy } from "../choice-metrics";
import { splits, type MultipleChoiceTask, type TaskAbout } from "../task";

/**
 * Creates a multiple-choice task for rows in the format of PIQA: `goal`, `sol1`, `sol2`, `label` (0 or 1).
 * Metrics: `acc` and `acc_norm`.
 */
export function piqaFormat(about: TaskAbout): MultipleChoiceTask {
  return {
    ...about,
    kind: "multiple choice",
    metrics: { acc: accuracy, acc_norm: normalizedAccuracy },
    question(row) {
      const prompt = `Question: ${row.text("goal")}\nAnswer:`;
      const choices = ["sol1", "sol2"].map((field) => {
        if (row.text(field) === "") throw row.problem(field, "is empty");
        return row.text(field);
      });
      const label = row.value("label");
      if (label !== 0 && label !== 1) throw row.problem("label", `must be 0 or 1, got ${JSON.stringify(label)}`);
      return {
        requests: choices.map((choice) => ({ prompt, continuation: ` ${choice}` })),
        choices,
        correct: choices.map((_, i) => i === label),
        solved: { question: prompt, delimiter: " ", answer: choices[label] },
      };
    },
  };
}

/** PIQA, zero-shot, on the validation split. */
export const piqa = piqaFormat({
  name: "piqa",
  version: "1.0",
  harness: "0.4.13",
  shots: 0,
  data: splits("piqa", { items: ["validation"], shots: "train" }),
});
