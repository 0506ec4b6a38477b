import type { EncodedExample } from "../encode";
import type { Part } from "../parts";

/** Tokens in succession that are alike for the loss. */
interface Stretch {
  part: Part;
  message: number;
  completion: boolean;
  ownWeight: number;
  /** number of tokens */
  length: number;
}

/** A row without its token ids: what the loss weights depend on, a few dozen bytes instead of some per token. */
export interface RowOutline {
  row: number;
  stretches: Stretch[];
  lostCompletionTokens: number;
  /** whether any token has a factor of its own */
  hasOwnWeights: boolean;
  /** see `EncodedTokens` */
  unaligned?: string;
}

/** The outline of an encoded row. */
export function outlineOf(example: EncodedExample): RowOutline {
  const { row, parts, messages, completion, ownWeights, lostCompletionTokens, unaligned } = example;
  const stretches: Stretch[] = [];
  for (const [t, part] of parts.entries()) {
    const last = stretches.at(-1);
    const ownWeight = ownWeights?.[t] ?? 1;
    const continues =
      last?.part === part &&
      last.message === messages[t] &&
      last.completion === completion[t] &&
      last.ownWeight === ownWeight;
    if (continues) last.length++;
    else stretches.push({ part, message: messages[t], completion: completion[t], ownWeight, length: 1 });
  }
  return {
    row,
    stretches,
    lostCompletionTokens,
    hasOwnWeights: ownWeights !== undefined,
    ...(unaligned !== undefined && { unaligned }),
  };
}

/** A row as the loss weights see it; every id is 0. */
export function expanded(outline: RowOutline): EncodedExample {
  const { row, stretches, lostCompletionTokens, hasOwnWeights, unaligned } = outline;
  const length = tokensOf(outline);
  const of = <T>(value: (stretch: Stretch) => T): T[] => {
    const values = new Array<T>(length);
    let from = 0;
    for (const stretch of stretches) values.fill(value(stretch), from, (from += stretch.length));
    return values;
  };
  return {
    row,
    ids: new Array<number>(length).fill(0),
    parts: of(({ part }) => part),
    messages: of(({ message }) => message),
    completion: of(({ completion }) => completion),
    ...(hasOwnWeights && { ownWeights: of(({ ownWeight }) => ownWeight) }),
    lostCompletionTokens,
    ...(unaligned !== undefined && { unaligned }),
  };
}

/** Number of tokens of a row. */
export const tokensOf = ({ stretches }: RowOutline): number => stretches.reduce((sum, { length }) => sum + length, 0);
