import type { Tokenizer } from "./tokenizer";

/** Whether a beginning- or end-of-sequence token stands twice in succession. */
export function hasDoubled(ids: readonly number[], { bosId, eosId }: Tokenizer): boolean {
  return ids.some((id, t) => t > 0 && id === ids[t - 1] && (id === bosId || id === eosId));
}
