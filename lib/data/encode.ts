import { DataError } from "./errors";
import type { Example } from "./example";
import { ALPACA_TEMPLATE, renderPrompt, type PromptTemplate } from "./template";
import type { Tokenizer } from "./tokenizer";

/** What to do with rows whose completion does not fit: train on what is left (as Alpaca does), leave them out, or stop. */
export type Truncation = "truncate" | "drop" | "error";

export const TRUNCATIONS: readonly Truncation[] = ["truncate", "drop", "error"];

export interface EncodedExample {
  /** index in the dataset */
  row: number;
  /** prompt, completion and end-of-sequence token, at most `maxLength` ids */
  ids: number[];
  /** how many of the ids count as prompt (BOS included); at most ids.length */
  promptLength: number;
  /** completion tokens (end-of-sequence included) that `maxLength` cut off */
  lostCompletionTokens: number;
}

export interface EncodedDataset {
  examples: EncodedExample[];
  /** rows whose completion was cut, wholly or in part */
  truncated: number[];
  /** those of them that lost it whole: nothing of theirs but the prompt is trained on */
  withoutCompletion: number[];
  /** rows left out, under "drop" only; the same rows as `truncated` then */
  dropped: number[];
  /** rows with an empty output: their completion is the end-of-sequence token alone */
  emptyCompletions: number[];
}

export interface EncodeOptions {
  /** in tokens, BOS and end-of-sequence included; longer rows are cut from the right */
  maxLength: number;
  template?: PromptTemplate;
  /** default "truncate" */
  truncation?: Truncation;
  /** the dataset's name or file, for error messages */
  name?: string;
}

const LISTED = 30;

/**
 * Token ids of every row. As in Stanford Alpaca's train.py, prompt and completion are tokenized together, and the
 * prompt is as long as its own tokenization: a token that merges the two ends counts as prompt.
 *
 * @throws DataError under "error" when completions do not fit (all such rows in `problems`), under "drop" when no row is left
 */
export function encodeDataset(
  examples: readonly Example[],
  tokenizer: Tokenizer,
  options: EncodeOptions,
): EncodedDataset {
  const { maxLength, template = ALPACA_TEMPLATE, truncation = "truncate", name = "dataset" } = options;
  if (!Number.isInteger(maxLength) || maxLength < 2) {
    throw new DataError(`${name}: maxLength is ${maxLength}; it must be a whole number of tokens, at least 2`);
  }
  if (!TRUNCATIONS.includes(truncation)) {
    throw new DataError(
      `${name}: truncation ${JSON.stringify(truncation)} is not known; it is one of ${TRUNCATIONS.join(", ")}`,
    );
  }
  const appended = appendedTokens(tokenizer);
  const encode = (text: string): number[] => {
    const ids = tokenizer.encode(text);
    return appended === 0 ? ids : ids.slice(0, -appended);
  };
  const result: EncodedDataset = {
    examples: [],
    truncated: [],
    withoutCompletion: [],
    dropped: [],
    emptyCompletions: [],
  };
  for (const [row, example] of examples.entries()) {
    const { prompt, completion } = renderPrompt(example, template);
    const whole = encode(prompt + completion + tokenizer.eosToken);
    const wholePrompt = Math.min(encode(prompt).length, whole.length);
    const ids = whole.slice(0, maxLength);
    const promptLength = Math.min(wholePrompt, ids.length);
    const lostCompletionTokens = whole.length - wholePrompt - (ids.length - promptLength);
    if (completion === "") result.emptyCompletions.push(row);
    if (lostCompletionTokens > 0) {
      result.truncated.push(row);
      if (promptLength === ids.length) result.withoutCompletion.push(row);
      if (truncation === "drop") {
        result.dropped.push(row);
        continue;
      }
    }
    result.examples.push({ row, ids, promptLength, lostCompletionTokens });
  }
  if (truncation === "error" && result.truncated.length > 0) throw doNotFit(name, maxLength, result);
  if (examples.length > 0 && result.examples.length === 0) {
    throw new DataError(
      `${name}: truncation "drop" leaves no row, since no completion fits into maxLength ${maxLength}; raise it`,
    );
  }
  return result;
}

/** How many tokens the tokenizer adds after a text (an end-of-sequence token, with some). Ours is written out already. */
function appendedTokens(tokenizer: Tokenizer): number {
  const probe = `a${tokenizer.eosToken}`;
  const plain = tokenizer.encode(probe, { addSpecialTokens: false });
  const full = tokenizer.encode(probe);
  const before = full.findIndex((_, start) => plain.every((id, i) => full[start + i] === id));
  return full.length - plain.length - Math.max(before, 0);
}

function doNotFit(name: string, maxLength: number, { truncated, withoutCompletion }: EncodedDataset): DataError {
  const listed =
    truncated.slice(0, LISTED).join(", ") +
    (truncated.length > LISTED ? `, … (${truncated.length - LISTED} more)` : "");
  const lost = new Set(withoutCompletion);
  return new DataError(
    `${name}: ${truncated.length} rows have a completion that does not fit into maxLength ${maxLength}` +
      `${lost.size > 0 ? ` (${lost.size} of them lose it whole)` : ""}: row index ${listed}. ` +
      `Raise maxLength, or choose truncation "truncate" or "drop".`,
    truncated.map((row) => ({ row, field: "output", problem: lost.has(row) ? "is lost whole" : "is cut" })),
  );
}
