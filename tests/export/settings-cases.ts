// Rows, losses and tools on which what is written for another tool is compared with that tool's own divisor.
import type { LossWeighting } from "../../lib/data/loss-weighting";
import type { EncodedTokens, Part } from "../../lib/data/parts";
import { seededRandom } from "../../lib/data/random";
import type { Tokenizer } from "../../lib/data/tokenizer";
import { expressionFor, patternOf, type WeightedRow } from "../../lib/export/tool-rule";
import { toolRows, type ToolRows } from "../../lib/export/tool-rows";
import { TOOL_NORMALIZERS, TOOLS, type Tool, type ToolNormalizer } from "../../lib/export/tools";

/** Ids of the model tests/model/fixtures/llama3-untied. */
const VOCABULARY = 61;
const [BOS, EOS] = [1, 2];

/** What the columns ask of a tokenizer; it puts BOS before every text. */
export const tokenizer = {
  bosId: BOS,
  eosId: EOS,
  encode: (_text: string, { addSpecialTokens = true } = {}) => (addSpecialTokens ? [BOS, 7] : [7]),
  eosToken: "</s>",
} as unknown as Tokenizer;

type Run = [part: Part, message: number, length: number, isCompletion?: boolean];

const ALPACA = (instruction: number, input: number, output: number): Run[] => [
  ["template", -1, 1],
  ["template", 0, 3],
  ["instruction", 0, instruction],
  ["template", 0, 2],
  ["input", 0, input],
  ["template", 0, 2],
  ["assistant", 1, output, true],
];

const CHAT: Run[] = [
  ["template", -1, 1],
  ["template", 0, 2],
  ["system", 0, 5],
  ["template", 1, 2],
  ["user", 1, 7],
  ["template", 2, 2],
  ["thinking", 2, 6, true],
  ["assistant", 2, 4, true],
  ["template", 3, 2],
  ["tool", 3, 8],
  ["template", 4, 2],
  ["assistant", 4, 9, true],
];

const random = seededRandom("settings cases");

/** A row with random ids from 3 on; it ends with EOS, which is completion. */
function row(runs: readonly Run[]): EncodedTokens {
  const tokens = [...runs, ["end", runs[runs.length - 1][1], 1, true] as Run].flatMap(
    ([part, message, length, isCompletion = false]) =>
      Array.from({ length }, () => ({ part, message, isCompletion, id: 3 + Math.floor(random() * (VOCABULARY - 3)) })),
  );
  return {
    ids: tokens.map(({ id }, t) => (t === 0 ? BOS : t === tokens.length - 1 ? EOS : id)),
    parts: tokens.map(({ part }) => part),
    messages: tokens.map(({ message }) => message),
    completion: tokens.map(({ isCompletion }) => isCompletion),
  };
}

/** Long prompts and short answers, and the other way round, and conversations. */
export const ROWS: readonly EncodedTokens[] = [
  row(ALPACA(20, 9, 3)),
  row(CHAT),
  row(ALPACA(5, 0, 30)),
  row(ALPACA(11, 4, 1)),
  row(CHAT.slice(0, 8)),
  row(ALPACA(3, 17, 12)),
  row(CHAT),
  row(ALPACA(8, 0, 8)),
];

/** The same rows, of which the last has a factor of its own. */
export const ROWS_WITH_FACTOR: readonly EncodedTokens[] = ROWS.map((each, i) =>
  i < 7 ? each : { ...each, ownWeights: each.completion.map((isCompletion) => (isCompletion ? 0.3 : 1)) },
);

/** Optimizer batches as indices of rows, and how each is split into micro-batches. */
export const BATCHES: readonly (readonly number[])[] = [
  [0, 1, 2, 3],
  [4, 5, 6, 7],
];
export const SPLITS: readonly (readonly number[])[] = [[4], [1, 3], [1, 1, 1, 1]];

type RowsName = "plain" | "factor";

const WEIGHTINGS: readonly { weighting: LossWeighting; rows?: RowsName }[] = [
  { weighting: { plw: 0.1 } },
  { weighting: { plw: 0 } },
  { weighting: { plw: 1 } },
  { weighting: { plw: 0.002236 } },
  { weighting: { plw: 0, completionWeight: 0.5 } },
  { weighting: { plw: 0.25, completionWeight: 0.5, partWeights: { template: 0, thinking: 0.8 } } },
  { weighting: { plw: 0.05, turns: "last" } },
  { weighting: { plw: 0, partWeights: { template: 1 } } },
  { weighting: { plw: 0.1 }, rows: "factor" },
];

/** A loss that is written for a tool. */
export interface SettingsCase {
  tool: Tool;
  weighting: LossWeighting;
  normalizer: ToolNormalizer;
  rows: RowsName;
  /** rows of a batch, where the weights are written for known batches */
  batchSize: number | null;
}

/** The rows of a case with the weights of its tokens, by the definitions of {@link LossWeighting}. */
export const weightedRows = ({ rows, weighting }: Pick<SettingsCase, "rows" | "weighting">): WeightedRow[] =>
  (rows === "factor" ? ROWS_WITH_FACTOR : ROWS).map((row) => weightedRow(row, weighting));

function weightedRow(row: EncodedTokens, weighting: LossWeighting): WeightedRow {
  const { plw, completionWeight = 1, partWeights = {}, turns } = weighting;
  const last = row.messages[row.completion.lastIndexOf(true)];
  const completion = row.completion.map((is, t) => is && (turns !== "last" || row.messages[t] === last));
  const weights = row.ids.map((_, t) => {
    if (t === 0) return 0;
    const isEarlierAnswer = row.completion[t] && !completion[t];
    const weight = isEarlierAnswer ? plw : (partWeights[row.parts[t]] ?? (completion[t] ? completionWeight : plw));
    return weight * (row.ownWeights?.[t] ?? 1);
  });
  return { ids: row.ids, weights, completion };
}

/** Every loss of the list that a tool can compute, without known batches if that suffices. */
export const CASES: readonly SettingsCase[] = TOOLS.flatMap((tool) =>
  WEIGHTINGS.flatMap(({ weighting, rows = "plain" }) =>
    TOOL_NORMALIZERS.flatMap((normalizer): SettingsCase[] => {
      const pattern = patternOf(weightedRows({ rows, weighting }));
      const canDo = (hasBatches: boolean) => expressionFor(tool, normalizer, pattern, hasBatches).rule !== null;
      const batchSize = canDo(false) ? null : canDo(true) ? BATCHES[0].length : undefined;
      return batchSize === undefined ? [] : [{ tool, weighting, normalizer, rows, batchSize }];
    }),
  ),
);

export const columnsOf = (each: SettingsCase): ToolRows =>
  toolRows(each.tool, weightedRows(each), each.normalizer, {
    tokenizer,
    batchSize: each.batchSize ?? undefined,
  });
