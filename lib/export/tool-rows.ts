// Rows for other training tools: token ids with the numbers from which a tool computes a loss of ours.
import { checkRows, numbers } from "../data/arguments";
import { DataError } from "../data/errors";
import { chunked } from "../data/group";
import type { Tokenizer } from "../data/tokenizer";
import type { ColumnType } from "./parquet";
import { expressionFor, patternOf, type ToolRule, type WeightedRow } from "./tool-rule";
import { TOOL_FACTS, type Tool, type ToolNormalizer } from "./tools";

/** Rows of a file that a tool reads. */
export interface ToolRows {
  rows: Record<string, unknown>[];
  /** types of the columns, by name */
  columns: Record<string, ColumnType>;
  rule: ToolRule;
  /** their loss by ours, the same for every batch */
  factor: number;
  /** largest relative difference of a weight from the number that was written, where whole numbers are needed; else 0 */
  rounding: number;
  /** indices of rows in which no token has a weight above 0 */
  rowsWithoutWeight: number[];
}

/** Options of {@link toolRows}. */
export interface ToolRowsOptions {
  /** the tokenizer of the rows; tools add and look for its special tokens */
  tokenizer: Tokenizer;
  /** rows of an optimizer batch; default: not known. Some losses can then be written only for rows in this order */
  batchSize?: number;
}

/** The label of a token that does not count. */
const NO_LABEL = -100;

/**
 * Writes rows in the columns that a tool reads, so that the loss of its optimizer batch is ours, or ours times the
 * constant `factor`. See {@link expressionFor} for why.
 *
 * - `trl`: `input_ids`, `labels`; `axolotl`, `llama-factory`: also `attention_mask`
 * - `ms-swift`: `messages` of one assistant, whose `content` has `token_ids` and `loss_scale`
 * - `megatron-bridge`: `input_ids`, `loss_mask` (shifted: that of predicting the next token) and `seq_start_id`
 * - `tinker`: `input_tokens`, `target_tokens`, `weights`
 *
 * @throws {DataError} if the tool cannot compute this loss, saying why, or would change the tokens or weights of a row
 */
export function toolRows(
  tool: Tool,
  weighted: readonly WeightedRow[],
  normalizer: ToolNormalizer,
  { tokenizer, batchSize }: ToolRowsOptions,
): ToolRows {
  checkWeighted(weighted);
  const pattern = patternOf(weighted);
  if (pattern.values.length === 0) throw new DataError("toolRows: no token has a weight above 0");
  const expression = expressionFor(tool, normalizer, pattern, batchSize !== undefined);
  if (expression.rule === null) throw new DataError(`${tool}: not expressible: ${expression.because}`);
  const { rule, factor } = expression;
  const weights = weighted.map((row) => row.weights);
  const written = {
    mask: () => weights.map((ofRow) => ofRow.map((weight) => (weight > 0 ? 1 : 0))),
    weights: () => (TOOL_FACTS[tool].weights === "whole" ? wholeNumbers(weights, pattern.values) : weights),
    rows: () => rowShares(weights, batchSize!),
    batches: () => chunked(weighted, batchSize!).flatMap((batch) => batchWeights(tool, batch, normalizer)),
  }[rule]();
  const { columns, row } = FORMATS[tool](tokenizer);
  return {
    rows: weighted.map(({ ids }, i) => row(ids, written[i], i)),
    columns,
    rule,
    factor,
    rounding: TOOL_FACTS[tool].weights === "whole" ? largestRounding(weights, written) : 0,
    rowsWithoutWeight: weights.flatMap((ofRow, i) => (ofRow.some((weight) => weight > 0) ? [] : [i])),
  };
}

// ---------------------------------------------------------------- weights

/** Relative rounding of a whole number that leaves the loss within 1e-6: numerator and divisor each change by it. */
const ROUNDING = 2.5e-7;
/** Largest whole number that is written as a weight, so that float32 and a sum in int32 hold it. */
const LARGEST = 2 ** 20;

/** Whole numbers in the ratio of the weights: the smallest that are within {@link ROUNDING}, or the best. */
function wholeNumbers(weights: readonly (readonly number[])[], values: readonly number[]): number[][] {
  const scale = wholeScale(values);
  return weights.map((ofRow) => ofRow.map((weight) => Math.round(weight * scale)));
}

/** The factor that makes weights nearly whole. @param values ascending, above 0 */
export function wholeScale(values: readonly number[]): number {
  const [smallest] = values;
  const largest = values[values.length - 1];
  const most = Math.max(1, Math.floor((LARGEST * smallest) / largest));
  let best = { scale: 1 / smallest, rounding: Infinity };
  for (let count = 1; count <= most; count++) {
    const scale = count / smallest;
    const rounding = Math.max(...values.map((value) => roundingOf(value * scale)));
    if (rounding < best.rounding) best = { scale, rounding };
    if (rounding <= ROUNDING) break;
  }
  return best.scale;
}

const roundingOf = (value: number): number => Math.abs(Math.round(value) / value - 1);

/**
 * Whole numbers that add up to about the same in every row. All rows of a batch add up to at most 2^30, which int32 holds.
 */
function rowShares(weights: readonly (readonly number[])[], batchSize: number): number[][] {
  const size = Math.min(2 ** 24, Math.floor(2 ** 30 / batchSize));
  return weights.map((ofRow) => {
    const sum = ofRow.reduce((total, weight) => total + weight, 0);
    return ofRow.map((weight) => (sum > 0 ? Math.round((weight / sum) * size) : 0));
  });
}

/** Largest relative difference between weights and whole numbers, each by its row's sum. */
function largestRounding(weights: readonly (readonly number[])[], written: readonly (readonly number[])[]): number {
  const sumOf = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0);
  return Math.max(
    0,
    ...weights.map((ofRow, i) => {
      const [before, after] = [sumOf(ofRow), sumOf(written[i])];
      return ofRow.reduce((worst, weight, t) => {
        return weight > 0 ? Math.max(worst, Math.abs((written[i][t] / after) * (before / weight) - 1)) : worst;
      }, 0);
    }),
  );
}

/** Weights of a batch's rows by our divisor, times what the tool divides by. */
function batchWeights(tool: Tool, batch: readonly WeightedRow[], normalizer: ToolNormalizer): number[][] {
  const sums = batch.map(({ weights }) => weights.reduce((sum, weight) => sum + weight, 0));
  const total = (of: (row: WeightedRow, i: number) => number) => batch.reduce((sum, row, i) => sum + of(row, i), 0);
  const weightedTokens = total(({ weights }) => weights.filter((weight) => weight > 0).length);
  const rows = sums.filter((sum) => sum > 0).length;
  const divisor = {
    weights: () => total((_, i) => sums[i]),
    tokens: () => weightedTokens,
    completion: () => total(({ completion }) => completion.filter((is, t) => is && t > 0).length),
    sequence: () => rows,
    sum: () => 1,
  }[normalizer]();
  const theirs = TOOL_FACTS[tool].divisor === "count" ? weightedTokens : 1;
  return batch.map(({ weights }, i) => {
    const ours = normalizer === "sequence" ? sums[i] * divisor : divisor;
    return weights.map((weight) => (weight > 0 && ours > 0 ? (weight * theirs) / ours : 0));
  });
}

/** @throws {DataError} naming the row */
function checkWeighted(rows: readonly WeightedRow[]): void {
  checkRows("toolRows", rows, { ids: numbers, weights: numbers });
  rows.forEach(({ ids, weights, completion }, index) => {
    const problem =
      weights.length !== ids.length || completion?.length !== ids.length
        ? "ids, weights and completion have different lengths"
        : weights.every((weight) => Number.isFinite(weight) && weight >= 0)
          ? weights[0] > 0 && "the first token has a weight, and is never predicted"
          : "a weight is negative or not finite";
    if (problem) throw new DataError(`toolRows: row ${index + 1} (index ${index}): ${problem}`);
  });
}

// ---------------------------------------------------------------- columns

/** Columns of a tool, and how a row is written in them: `weights` has one entry a token, that of predicting it. */
interface Format {
  columns: Record<string, ColumnType>;
  row(ids: readonly number[], weights: readonly number[], index: number): Record<string, unknown>;
}

const WHOLE: ColumnType = { list: "int32" };
const NUMBERS: ColumnType = { list: "double" };

const labelled = (withAttention: boolean): Format => ({
  columns: { input_ids: WHOLE, ...(withAttention && { attention_mask: WHOLE }), labels: WHOLE },
  row: (ids, weights) => ({
    input_ids: ids,
    ...(withAttention && { attention_mask: ids.map(() => 1) }),
    labels: ids.map((id, t) => (weights[t] > 0 ? id : NO_LABEL)),
  }),
});

const FORMATS: Record<Tool, (tokenizer: Tokenizer) => Format> = {
  trl: () => labelled(false),
  axolotl: () => labelled(true),
  "llama-factory": () => labelled(true),
  "ms-swift": swiftFormat,
  "megatron-bridge": megatronFormat,
  tinker: () => ({
    columns: { input_tokens: WHOLE, target_tokens: WHOLE, weights: NUMBERS },
    row: (ids, weights) => ({
      input_tokens: ids.slice(0, -1),
      target_tokens: ids.slice(1),
      weights: weights.slice(1),
    }),
  }),
};

/**
 * ms-swift's template "dummy" puts the tokenizer's own first tokens before a row, appends an end-of-sequence token of
 * weight 1 to a row without one, and gives one that follows a learned token the weight 1 if it has 0
 * (swift/template/base.py: _swift_encode, _add_dynamic_eos).
 */
function swiftFormat(tokenizer: Tokenizer): Format {
  const { before, after } = addedTokens(tokenizer);
  if (after > 0)
    throw new DataError(
      "ms-swift: this tokenizer appends tokens to every text; the tool would append them to each row",
    );
  return {
    columns: {
      messages: {
        list: { fields: { role: "text", content: { fields: { token_ids: WHOLE, loss_scale: NUMBERS } } } },
      },
    },
    row: (ids, weights, index) => {
      const refuse = (what: string): never => {
        throw new DataError(`ms-swift: row ${index + 1} (index ${index}) ${what}`);
      };
      if (before.some((id, t) => ids[t] !== id))
        refuse(`does not begin with the tokens that the tokenizer adds, and the tool adds them: ${before.join(", ")}`);
      if (weights.slice(0, before.length).some((weight) => weight > 0))
        refuse("has a weight at a token that the tool adds without one");
      if (ids[ids.length - 1] !== tokenizer.eosId)
        refuse(
          "does not end with the end-of-sequence token, and the tool appends one with weight 1; " +
            "raise the maximum length or leave out rows that are cut",
        );
      if (ids.some((id, t) => id === tokenizer.eosId && weights[t] === 0 && t > 0 && weights[t - 1] > 0))
        refuse("has an end-of-sequence token of weight 0 after a learned token, and the tool gives it the weight 1");
      const content = { token_ids: ids.slice(before.length), loss_scale: weights.slice(before.length) };
      return { messages: [{ role: "assistant", content }] };
    },
  };
}

/**
 * Megatron-Bridge's collate_fn of packed rows makes whole numbers of a loss_mask, so that 0.1 becomes 0, and drops the
 * weight of what follows an end-of-sequence token (data/packing/gpt_sft.py).
 */
function megatronFormat({ eosId }: Tokenizer): Format {
  return {
    columns: { input_ids: WHOLE, loss_mask: WHOLE, seq_start_id: WHOLE },
    row: (ids, weights, index) => {
      const after = ids.findIndex((_, t) => t > 0 && ids[t - 1] === eosId && weights[t] > 0);
      if (after > 0)
        throw new DataError(
          `megatron-bridge: row ${index + 1} (index ${index}): token ${after} follows an end-of-sequence token and has ` +
            "a weight, which the tool sets to 0",
        );
      return { input_ids: ids, loss_mask: [...weights.slice(1), 0], seq_start_id: [0] };
    },
  };
}

/** Tokens that a tokenizer puts before a text, and the number of those after it. */
function addedTokens(tokenizer: Tokenizer): { before: number[]; after: number } {
  const plain = tokenizer.encode("a", { addSpecialTokens: false });
  const full = tokenizer.encode("a");
  const start = full.findIndex((_, first) => plain.every((id, i) => full[first + i] === id));
  return { before: full.slice(0, start), after: full.length - start - plain.length };
}
