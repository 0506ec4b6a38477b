import { rowAnswer } from "../row-answer";
import type { MultipleChoiceTask } from "../task";

/**
 * Loss of a run on completions that it was not trained on. `loss` is the negative log-likelihood of a whole held-out
 * completion given its prompt, in nats, without the end-of-sequence token, averaged over completions; of a conversation
 * the completion is the last answer, given all that precedes it, through the chat template. Its definition
 * does not involve the prompt loss weight or the normalizer, so it is comparable between runs.
 */
export const heldoutLoss: MultipleChoiceTask = {
  kind: "multiple choice",
  name: "heldout-loss",
  version: "1",
  harness: "0.4.13",
  shots: 0,
  data: { items: "held-out", shots: [], dropsItself: false },
  question(row, style) {
    const { prompt, answer, rendered } = rowAnswer(row, style);
    return {
      solved: { question: prompt, delimiter: "", answer },
      requests: [{ prompt, continuation: answer }],
      choices: [answer],
      correct: [true],
      ...(rendered && { rendered }),
    };
  },
  metrics: { loss: (_, [logLikelihood]) => -logLikelihood },
};
