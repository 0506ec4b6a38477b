/** What a kind of problem means. */
interface KindOfProblem {
  /** whether the loss does not see, or sees otherwise, what the row was to teach; such problems fail a check */
  losesLearning: boolean;
  /** what is wrong with such a row, as a table says it */
  meaning: string;
}

/** The kinds of problems that an audit names, the worst first. */
export const AUDIT_KINDS = {
  refused: { losesLearning: true, meaning: "cannot be encoded, or its parts cannot be told and have weights" },
  dropped: { losesLearning: true, meaning: "left out by the truncation policy, since its answer does not fit" },
  "answer-lost": { losesLearning: true, meaning: "no token of an answer is left at the maximum length" },
  "answer-cut": { losesLearning: true, meaning: "tokens of an answer are cut off at the maximum length" },
  "nothing-to-learn": { losesLearning: true, meaning: "no token of an answer has a weight" },
  "end-without-weight": { losesLearning: true, meaning: "an answer is learned, but not where it ends" },
  "doubled-special-token": {
    losesLearning: true,
    meaning: "a beginning or end of sequence stands twice in succession",
  },
  "marker-missed": { losesLearning: true, meaning: "a marker is not found where its text stands" },
  "parts-unknown": { losesLearning: false, meaning: "the parts of the prompt cannot be told from each other" },
  "border-crossed": { losesLearning: false, meaning: "a token has characters of two parts" },
  "thinking-left-out": { losesLearning: false, meaning: "the template leaves out the reasoning of an answer" },
  "empty-answer": { losesLearning: false, meaning: "of an answer, only its end is learned" },
  duplicate: { losesLearning: false, meaning: "has the same tokens as an earlier row" },
  "no-generation-tags": { losesLearning: false, meaning: "the template does not tag what an assistant writes" },
} as const satisfies Record<string, KindOfProblem>;

/** The name of a kind of problem, one of {@link AUDIT_KINDS}. */
export type AuditKind = keyof typeof AUDIT_KINDS;

/** One problem that an audit found. */
export interface AuditProblem {
  kind: AuditKind;
  /** index of the row in the data set, from 0; absent if the problem is the template's */
  row?: number;
  /** index of the message, where the problem is of one */
  message?: number;
  /** what is wrong, with its numbers */
  problem: string;
  /** whether the loss does not see, or sees otherwise, what the row was to teach */
  losesLearning: boolean;
}

/** Makes a problem of a kind. */
export function auditProblem(
  kind: AuditKind,
  problem: string,
  where: Pick<AuditProblem, "row" | "message"> = {},
): AuditProblem {
  return { kind, ...where, problem, losesLearning: AUDIT_KINDS[kind].losesLearning };
}

/** "1 token", "2 tokens". */
export const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`;
