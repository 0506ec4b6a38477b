import type { EncodedExample } from "../encode";
import { tokenWeights, type LossWeighting } from "../loss-weighting";
import { auditProblem, counted, type AuditProblem } from "./problems";

/** What a row is judged by. */
export interface Judging {
  /** the weights of the tokens; its PLW does not matter */
  weighting: Omit<LossWeighting, "plw">;
  /** in tokens */
  maxLength: number;
}

/** The problems of one encoded row that its parts and weights show, at a PLW of 0. */
export function rowProblems(example: EncodedExample, { weighting, maxLength }: Judging): AuditProblem[] {
  const weights = tokenWeights(example, { ...weighting, plw: 0 });
  const { row, lostCompletionTokens: lost } = example;
  const learned = weights.reduce((count, weight) => count + (weight > 0 ? 1 : 0), 0);
  const kept = example.completion.reduce((count, isCompletion, t) => count + (isCompletion && t > 0 ? 1 : 0), 0);
  const cut = lost > 0 ? [cutProblem(row, lost, kept, maxLength)] : [];
  if (lost > 0 && kept === 0) return cut;
  if (learned === 0) {
    const why = kept === 0 ? "no answer is to be learned" : `its ${counted(kept, "answer token")} have weight 0`;
    return [...cut, auditProblem("nothing-to-learn", why, { row })];
  }
  return [...cut, ...emptyAnswers(example), ...endsWithoutWeight(example, weights)];
}

function cutProblem(row: number, lost: number, kept: number, maxLength: number): AuditProblem {
  const at = `at maxLength ${maxLength}`;
  return kept === 0
    ? auditProblem("answer-lost", `all of its ${counted(lost, "answer token")} are cut off ${at}`, { row })
    : auditProblem("answer-cut", `${lost} of its ${counted(lost + kept, "answer token")} are cut off ${at}`, { row });
}

/** What a message has of learned tokens. */
interface Learned {
  message: number;
  content: boolean;
  end: boolean;
}

/** Messages with tokens that a rule calls learned, in their order. */
function learnedMessages({ parts, messages }: EncodedExample, isLearned: (t: number) => boolean): Learned[] {
  const found = new Map<number, Learned>();
  for (let t = 1; t < parts.length; t++) {
    if (!isLearned(t)) continue;
    const message = messages[t];
    const learned = found.get(message) ?? { message, content: false, end: false };
    if (parts[t] === "end") learned.end = true;
    else if (parts[t] !== "template") learned.content = true;
    found.set(message, learned);
  }
  return [...found.values()];
}

function emptyAnswers(example: EncodedExample): AuditProblem[] {
  return learnedMessages(example, (t) => example.completion[t])
    .filter(({ content, message }) => !content && !isCutIn(example, message))
    .map(({ message }) => {
      return auditProblem("empty-answer", "of its answer, only the end is learned", { row: example.row, message });
    });
}

function endsWithoutWeight(example: EncodedExample, weights: ArrayLike<number>): AuditProblem[] {
  return learnedMessages(example, (t) => weights[t] > 0)
    .filter(({ content, end, message }) => content && !end && !isCutIn(example, message))
    .map(({ message }) => {
      const hasEnd = example.parts.some((part, t) => part === "end" && example.messages[t] === message);
      const why = hasEnd ? "the token that ends its answer has weight 0" : "no token ends its answer";
      return auditProblem("end-without-weight", why, { row: example.row, message });
    });
}

/** Whether a row was cut within a message, which then is its last one. */
const isCutIn = ({ messages, lostCompletionTokens }: EncodedExample, message: number): boolean =>
  lostCompletionTokens > 0 && messages.at(-1) === message;
