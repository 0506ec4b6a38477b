import { accuracy } from "../choice-metrics";
import { splits, type MultipleChoiceTask, type TaskAbout } from "../task";
import { trim } from "../../metrics/words";

/** WinoGrande: `sentence` with a blank "_", `option1`, `option2`, `answer` ("1" or "2"). Only the text after the blank is scored. */
export function winograndeFormat(about: TaskAbout): MultipleChoiceTask {
  return {
    ...about,
    kind: "multiple choice",
    metrics: { acc: accuracy },
    question(row) {
      const sentence = row.text("sentence");
      const blank = sentence.indexOf("_");
      if (blank < 0) throw row.problem("sentence", "has no blank (_)");
      const continuation = ` ${trim(sentence.slice(blank + 1))}`;
      const choices = ["option1", "option2"].map((field) => {
        if (row.text(field) === "") throw row.problem(field, "is empty");
        return row.text(field);
      });
      const gold = ["1", "2"].indexOf(row.text("answer"));
      if (gold < 0)
        throw row.problem(
          "answer",
          `must be "1" or "2", not ${JSON.stringify(row.value("answer"))} (test rows have no answer; use the validation split)`,
        );
      const prompts = choices.map((choice) => sentence.slice(0, blank) + choice);
      return {
        requests: prompts.map((prompt) => ({ prompt, continuation })),
        choices,
        correct: choices.map((_, i) => i === gold),
        solved: prompts[gold] + continuation,
      };
    },
  };
}

export const winogrande = winograndeFormat({
  name: "winogrande",
  version: "1.0",
  harness: "0.4.13",
  shots: 5,
  data: splits("winogrande", { items: ["validation"], shots: "train" }),
});
