import { checkOptions, checkTokenizer, texts, type OptionSchemas } from "../arguments";
import { DROP_EMPTY_NEEDS_TRUNCATE, ENCODE_OPTIONS, type EncodeOptions } from "../encode";
import { DataError } from "../errors";
import { LOSS_WEIGHTING, weightedPromptParts, type LossWeighting } from "../loss-weighting";
import { normalizerSchema, type Normalizer } from "../normalizer";
import { impossibleParts, PARTS_OF } from "../part-weights";
import { plwSchema } from "../prompt-loss-weight";
import { describeValue } from "../read-json";
import type { Tokenizer } from "../tokenizer";
import { integer, listOfDifferent, wholeNumber } from "../validate";
import { lossShares, partCounts, type AuditPart, type AuditShare } from "./loss-shares";
import { encodedMarkers } from "./markers";
import { expanded, tokensOf, type RowOutline } from "./outline";
import { AUDIT_KINDS, auditProblem, type AuditKind, type AuditProblem } from "./problems";
import { rowProblems } from "./row-problems";
import { scanDataset, type Scan } from "./scan";

/** How the tokens of a data set are weighted, and its rows split into steps. */
export interface AuditWeighting extends Omit<LossWeighting, "plw"> {
  /** prompt loss weights; default 0, 0.1 and 1 */
  plws?: readonly number[];
  /** default "weights" */
  normalizers?: readonly Normalizer[];
  /** rows of an optimizer step; default 128 */
  batchSize?: number;
  /** rows of a micro-batch, on which some normalizers depend; default 4 */
  microBatchSize?: number;
  /** of the order of the rows; default 42 */
  seed?: number;
}

/** Options of {@link auditDataset}. */
export interface AuditOptions extends EncodeOptions, AuditWeighting {
  /**
   * texts that another tool searches for in token ids to find the turns, such as "<|user|>\n"; rows in which it would
   * not find them are named
   */
  markers?: readonly string[];
}

/** What the loss will see of a data set. */
export interface Audit {
  /** number of rows of the data set, and of those that are trained on */
  rows: number;
  trained: number;
  /** number of tokens of the rows that are trained on, the first of each included */
  tokens: number;
  /** predicted tokens by part and role */
  parts: AuditPart[];
  /** share of each part in the loss, at each weight and normalizer */
  shares: AuditShare[];
  /** by kind, the worst first, then by row */
  problems: AuditProblem[];
  /** the longest rows that are trained on, the longest first; at most ten */
  longest: { row: number; tokens: number }[];
}

/** Schemas of the options that decide how tokens are weighted. */
const WEIGHTING_OPTIONS = {
  plws: listOfDifferent(plwSchema),
  normalizers: listOfDifferent(normalizerSchema),
  completionWeight: LOSS_WEIGHTING.completionWeight,
  partWeights: LOSS_WEIGHTING.partWeights,
  turns: LOSS_WEIGHTING.turns,
  batchSize: wholeNumber(1),
  microBatchSize: wholeNumber(1),
  seed: integer,
} satisfies OptionSchemas<AuditWeighting>;

const AUDIT_OPTIONS: OptionSchemas<AuditOptions> = {
  ...ENCODE_OPTIONS,
  ...WEIGHTING_OPTIONS,
  markers: texts,
};

/** Number of the longest rows that are listed. */
const LISTED_LONGEST = 10;

/**
 * Says what the loss will see of a data set, before any training: tokens by part with their share of the loss at each
 * weight and normalizer, and every row from which less is learned than it holds.
 *
 * The shares are those of the first epoch, split into optimizer batches and micro-batches as training does. They are
 * shares of the sum of coefficients, so of the loss if every token had the same cross entropy.
 *
 * Rows are encoded portion by portion; per row no more is kept than a few dozen bytes.
 *
 * @param rows in Alpaca's format as for `encodeDataset`, or conversations in any format that is read from files
 * @throws {DataError} if an option is invalid, or there is no chat template for conversations. Rows that cannot be encoded are problems, not errors
 */
export function auditDataset(rows: readonly unknown[], tokenizer: Tokenizer, options: AuditOptions): Audit {
  checkOptions("auditDataset", options, AUDIT_OPTIONS, { needed: ["maxLength"] });
  const { plws, normalizers, completionWeight, partWeights, turns, batchSize, microBatchSize, seed, ...scanned } =
    options;
  const scan = scanForAudit(rows, tokenizer, scanned);
  return auditOfScan(scan, {
    plws,
    normalizers,
    completionWeight,
    partWeights,
    turns,
    batchSize,
    microBatchSize,
    seed,
  });
}

/** Reads a data set once, for audits of it at several weightings. @throws {DataError} if an option is invalid */
export function scanForAudit(
  rows: readonly unknown[],
  tokenizer: Tokenizer,
  { markers = [], ...options }: Omit<AuditOptions, keyof AuditWeighting>,
): Scan {
  checkTokenizer("auditDataset", tokenizer);
  if (!Array.isArray(rows)) throw new DataError(`auditDataset: the rows are ${describeValue(rows)}, not an array`);
  if (options.dropEmpty && (options.truncation ?? "truncate") !== "truncate")
    throw new DataError(`auditDataset: ${DROP_EMPTY_NEEDS_TRUNCATE}`);
  return scanDataset(rows, tokenizer, options, encodedMarkers(markers, tokenizer));
}

/**
 * The audit of a data set that was read.
 * @throws {DataError} if a part has a weight that the rows cannot have, as training does
 */
export function auditOfScan(scan: Scan, options: AuditWeighting): Audit {
  const { plws = [0, 0.1, 1], normalizers = ["weights"], batchSize = 128, microBatchSize = 4, seed = 42 } = options;
  const { completionWeight, partWeights, turns } = options;
  const weighting = { completionWeight, partWeights, turns };
  const { maxLength } = scan;
  const [impossible] = impossibleParts(partWeights ?? {}, scan.kind);
  if (impossible !== undefined)
    throw new DataError(
      `${scan.name}: partWeights gives "${impossible}" a weight, but the parts of these rows are ` +
        `${PARTS_OF[scan.kind].join(", ")}; give the weight to one of them, or leave it out`,
    );
  const unaligned = unalignedProblems(scan.outlines, weighting);
  const refused = new Set(unaligned.filter(({ kind }) => kind === "refused").map(({ row }) => row));
  const outlines = scan.outlines.filter(({ row }) => !refused.has(row));
  const problems = scan.problems.filter(({ row }) => row === undefined || !refused.has(row));
  const judged = outlines.flatMap((outline) => rowProblems(expanded(outline), { weighting, maxLength }));
  const lengths = outlines.map((outline) => ({ row: outline.row, tokens: tokensOf(outline) }));
  return {
    rows: scan.rows,
    trained: outlines.length,
    tokens: lengths.reduce((sum, { tokens }) => sum + tokens, 0),
    parts: partCounts(outlines, turns),
    shares: lossShares(outlines, { plws, normalizers, weighting, batchSize, microBatchSize, seed }),
    problems: sorted([...problems, ...unaligned, ...judged]),
    longest: lengths.sort((a, b) => b.tokens - a.tokens || a.row - b.row).slice(0, LISTED_LONGEST),
  };
}

/** The rows whose parts cannot be told: refused where one of these parts has a weight, as training refuses them. */
function unalignedProblems(outlines: readonly RowOutline[], weighting: Omit<LossWeighting, "plw">): AuditProblem[] {
  const named = weightedPromptParts(weighting);
  return outlines.flatMap(({ row, unaligned }) => {
    if (unaligned === undefined) return [];
    if (named.length === 0) return auditProblem("parts-unknown", unaligned, { row });
    return auditProblem("refused", `the part weight of ${named.join(", ")} cannot be applied: ${unaligned}`, { row });
  });
}

function sorted(problems: AuditProblem[]): AuditProblem[] {
  const rank = new Map(Object.keys(AUDIT_KINDS).map((kind, i) => [kind as AuditKind, i]));
  return problems.sort((a, b) => rank.get(a.kind)! - rank.get(b.kind)! || (a.row ?? -1) - (b.row ?? -1));
}
