import { accuracy, normalizedAccuracy } from "../choice-metrics";
import { splits, type MultipleChoiceTask, type TaskAbout } from "../task";

/**
 * Creates a multiple-choice task for rows in the format of AI2 ARC: `question`, `choices: {text, label}`, `answerKey`.
 * Metrics: `acc` and `acc_norm`.
 */
export function arcFormat(about: TaskAbout): MultipleChoiceTask {
  return {
    ...about,
    kind: "multiple choice",
    metrics: { acc: accuracy, acc_norm: normalizedAccuracy },
    question(row) {
      const prompt = `Question: ${row.text("question")}\nAnswer:`;
      const answers = row.object("choices");
      const choices = answers.choices("text");
      const labels = answers.texts("label");
      if (labels.length !== choices.length)
        throw answers.problem("label", `has ${labels.length} labels for ${choices.length} choices`);
      const gold = labels.indexOf(row.text("answerKey"));
      if (gold < 0)
        throw row.problem(
          "answerKey",
          `is ${JSON.stringify(row.value("answerKey"))}, but must be one of the labels ${labels.join(", ")}`,
        );
      return {
        requests: choices.map((choice) => ({ prompt, continuation: ` ${choice}` })),
        choices,
        correct: choices.map((_, i) => i === gold),
        solved: { question: prompt, delimiter: " ", answer: choices[gold] },
      };
    },
  };
}

/** ARC Challenge, 25-shot, examples from the train split. */
export const arcChallenge = arcFormat({
  name: "arc_challenge",
  version: "1.0",
  harness: "0.4.13",
  shots: 25,
  data: splits("arc_challenge", { items: ["test"], shots: "train", hasTest: true }),
});
