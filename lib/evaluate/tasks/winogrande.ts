import { accuracy } from "../choice-metrics";
import { splits, type MultipleChoiceTask, type TaskAbout } from "../task";
import { trim } from "../../metrics/words";

/**
 * Creates a multiple-choice task for rows in the format of WinoGrande: `sentence` with a blank "_", `option1`,
 * `option2`, `answer` ("1" or "2"). Each option is put in the blank, and only the text after the blank is scored.
 * Metric: `acc`.
 */
export function winograndeFormat(about: TaskAbout): MultipleChoiceTask {
  return {
    ...about,
    kind: "multiple choice",
    metrics: { acc: accuracy },
    question(row) {
      const sentence = row.text("sentence");
      const blank = sentence.indexOf("_");
      if (blank < 0) throw row.problem("sentence", "has no blank (_)");
      const rest = trim(sentence.slice(blank + 1));
      const choices = ["option1", "option2"].map((field) => {
        if (row.text(field) === "") throw row.problem(field, "is empty");
        return row.text(field);
      });
      const gold = ["1", "2"].indexOf(row.text("answer"));
      if (gold < 0)
        throw row.problem(
          "answer",
          `must be "1" or "2", got ${JSON.stringify(row.value("answer"))} ` +
            "(rows of the test split have no answer; use the validation split)",
        );
      const prompts = choices.map((choice) => sentence.slice(0, blank) + choice);
      return {
        requests: prompts.map((prompt) => ({ prompt, continuation: ` ${rest}` })),
        choices,
        correct: choices.map((_, i) => i === gold),
        solved: { question: prompts[gold], delimiter: " ", answer: rest },
      };
    },
  };
}

/** WinoGrande, 5-shot, examples from the train split. */
export const winogrande = winograndeFormat({
  name: "winogrande",
  version: "1.0",
  harness: "0.4.13",
  shots: 5,
  data: splits("winogrande", { items: ["validation"], shots: "train" }),
});
