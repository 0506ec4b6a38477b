import { renderPrompt } from "../../data/template";
import { instructionOf } from "../judge/judge-task";
import type { MultipleChoiceTask } from "../task";

/**
 * How well a run predicts completions that it has not seen. `loss` is the negative log-likelihood of a whole held-out
 * completion given its prompt, in nats, its end-of-sequence token left out; the mean over completions. It does not
 * depend on the prompt loss weight or the normalizer by its definition, so runs can be compared.
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
      solved: prompt + completion,
      requests: [{ prompt, continuation: completion }],
      choices: [completion],
      correct: [true],
    };
  },
  metrics: { loss: (_, [logLikelihood]) => -logLikelihood },
};
