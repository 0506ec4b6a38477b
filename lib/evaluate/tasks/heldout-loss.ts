import { renderPrompt } from "../../data/template";
import { instructionOf } from "../judge/judge-task";
import type { MultipleChoiceTask } from "../task";

/**
 * Loss of a run on completions that it was not trained on. `loss` is the negative log-likelihood of a whole held-out
 * completion given its prompt, in nats, without the end-of-sequence token, averaged over completions. Its definition
 * does not involve the prompt loss weight or the normalizer, so it is comparable between runs.
 */
export const heldoutLoss: MultipleChoiceTask = {
  kind: "multiple choice",
  name: "heldout-loss",
  version: "1",
  harness: "0.4.13",
  shots: 0,
  data: { items: "held-out", shots: [], dropsItself: false },
  question(row, { template }) {
    const { prompt, completion } = renderPrompt({ ...instructionOf(row), output: row.text("output") }, template);
    return {
      solved: { question: prompt, delimiter: "", answer: completion },
      requests: [{ prompt, continuation: completion }],
      choices: [completion],
      correct: [true],
    };
  },
  metrics: { loss: (_, [logLikelihood]) => -logLikelihood },
};
