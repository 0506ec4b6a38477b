// What the references of other models and of adapters have in common.
import { promptAndCompletion, type EncodedExample } from "../../lib/data/encode";
import type { Normalizer } from "../../lib/data/normalizer";

/** Rows that a reference was computed of, with logits by position. */
export interface ReferenceRows {
  rows: { ids: number[]; promptLength: number; logits: Record<string, number[]> }[];
}

/** Settings of the AdamW steps of a reference, and the loss before each. */
export interface ReferenceSteps {
  plw: number;
  normalizer: Normalizer;
  learningRate: number;
  weightDecay: number;
  epsilon: number;
  beta1: number;
  beta2: number;
  clip: number;
  losses: number[];
}

export const encoded = ({ rows }: ReferenceRows): EncodedExample[] =>
  rows.map(({ ids, promptLength }, row) => promptAndCompletion(row, ids, promptLength));
