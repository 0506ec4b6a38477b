// What to type in another training tool so that its loss is a loss of ours.
import { anObject, checkOptions, count } from "../data/arguments";
import { DataError } from "../data/errors";
import { checkLossWeighting, type LossWeighting } from "../data/loss-weighting";
import { oneOf, validated } from "../data/validate";
import { expectedPattern, expressionFor, type ToolRule, type WeightPattern } from "./tool-rule";
import { TOOL_FACTS, TOOL_NORMALIZERS, TOOLS, type Tool, type ToolNormalizer } from "./tools";

/** What a tool computes, as near to a loss of ours as it can. */
export interface ToolSettings {
  tool: Tool;
  /** name and version of the tool whose source was read, the day, and the places in it */
  title: string;
  version: string;
  read: string;
  source: string;
  /** what the tool divides the weighted sum of losses by */
  dividesBy: string;
  /** the loss that was asked for */
  weighting: LossWeighting;
  normalizer: ToolNormalizer;
  /** whether the tool can compute it, up to the constant factor */
  expressible: boolean;
  /** how the weights are written; null if it cannot */
  rule: ToolRule | null;
  /** their loss by ours, the same for every batch; null if the tool cannot */
  factor: number | null;
  /** why it cannot; null if it can */
  because: string | null;
  /** settings and code, line by line; `FILE` stands for the rows' path without its extension. Empty if it cannot */
  lines: string[];
  /** what else has to hold */
  conditions: string[];
  /** the nearest loss that the tool can compute; null if it can compute the one that was asked for */
  nearest: NearestLoss | null;
  /** other tools that can compute the loss that was asked for; empty if this one can */
  elsewhere: Tool[];
}

/** A loss that a tool can compute in the place of another. */
export interface NearestLoss {
  weighting: LossWeighting;
  normalizer: ToolNormalizer;
  /** what is different */
  change: string;
  lines: string[];
  conditions: string[];
}

/** Options of {@link toolSettings}. */
export interface ToolSettingsOptions {
  /** rows of an optimizer batch; default: not known. Some losses can then be written only for rows in their order */
  batchSize?: number;
  /** the weights that the tokens really have; default: that each weight which is set occurs */
  pattern?: WeightPattern;
}

/**
 * Says how a tool computes a loss of ours: what to type and what its rows have, or why it cannot, and what is nearest.
 * {@link expressionFor} has the derivation, `toolRows` writes the rows.
 *
 * A constant factor between the losses is reported, not refused: AdamW takes the same steps if its ε and the maximum
 * norm of the gradient are multiplied by it.
 *
 * @throws {DataError} if the tool, the normalizer or a weight is invalid, or every weight is 0
 */
export function toolSettings(
  tool: Tool,
  weighting: LossWeighting,
  normalizer: ToolNormalizer,
  options: ToolSettingsOptions = {},
): ToolSettings {
  validated(oneOf(TOOLS), tool, "toolSettings: tool", DataError);
  validated(oneOf(TOOL_NORMALIZERS), normalizer, "toolSettings: normalizer", DataError);
  checkLossWeighting(weighting, "toolSettings: loss weighting");
  const { batchSize } = checkOptions("toolSettings", options, { batchSize: count, pattern: anObject });
  const pattern = options.pattern ?? expectedPattern(weighting);
  if (pattern.values.length === 0) throw new DataError("toolSettings: every weight is 0, so nothing would be learned");
  const expression = expressionFor(tool, normalizer, pattern, batchSize !== undefined);
  const isExpressible = expression.rule !== null;
  const { title, version, read, source, dividesBy } = TOOL_FACTS[tool];
  return {
    tool,
    title,
    version,
    read,
    source,
    dividesBy,
    weighting,
    normalizer,
    expressible: isExpressible,
    rule: expression.rule,
    factor: isExpressible ? expression.factor : null,
    because: isExpressible ? null : expression.because,
    ...(isExpressible
      ? { lines: linesFor(tool, weighting, pattern), conditions: conditionsFor(tool, expression, batchSize) }
      : { lines: [], conditions: [] }),
    nearest: isExpressible ? null : nearestTo(tool, weighting, normalizer, pattern),
    elsewhere: isExpressible
      ? []
      : TOOLS.filter((other) => expressionFor(other, normalizer, pattern, batchSize !== undefined).rule !== null),
  };
}

// ---------------------------------------------------------------- the nearest loss

/** The normalizer that each divisor is, with whatever weights. */
const OWN_NORMALIZER = { count: "tokens", sum: "weights", none: "sum" } as const satisfies Record<
  string,
  ToolNormalizer
>;

/** Weights of 0 and 1 in the place of others, or the tool's own normalizer. */
function nearestTo(tool: Tool, asked: LossWeighting, normalizer: ToolNormalizer, pattern: WeightPattern): NearestLoss {
  const { weights, divisor } = TOOL_FACTS[tool];
  const isRounded = weights === "binary" && pattern.values.length > 1;
  const weighting = isRounded ? roundedToOnes(asked) : asked;
  const nearPattern = isRounded ? expectedPattern(weighting) : pattern;
  const isKept = isRounded && expressionFor(tool, normalizer, nearPattern, false).rule !== null;
  const near: ToolNormalizer = isKept ? normalizer : weights === "binary" ? "weights" : OWN_NORMALIZER[divisor];
  const expression = expressionFor(tool, near, nearPattern, false) as { rule: ToolRule; factor: number };
  const changes = [
    ...(isRounded
      ? [`each weight of less than half the completion's becomes 0, any other 1 (PLW ${asked.plw} → ${weighting.plw})`]
      : []),
    ...(near === normalizer
      ? []
      : [
          `the normalizer is ${near} instead of ${normalizer}: ` +
            (normalizer === "sequence"
              ? "tokens count by their weight, whichever row they are of, so that long rows count more than short ones"
              : "within a batch the tokens count as before, but steps are weighted differently from batch to batch"),
        ]),
  ];
  return {
    weighting,
    normalizer: near,
    change: changes.join("; "),
    lines: linesFor(tool, weighting, nearPattern),
    conditions: conditionsFor(tool, expression),
  };
}

/** Weights of 0 and 1: 1 where a weight is at least half the completion's. */
function roundedToOnes({ plw, completionWeight = 1, partWeights, turns }: LossWeighting): LossWeighting {
  const reference = completionWeight > 0 ? completionWeight : Math.max(plw, ...Object.values(partWeights ?? {}));
  const rounded = (weight: number) => (weight >= reference / 2 ? 1 : 0);
  return {
    plw: rounded(plw),
    ...(completionWeight === 0 && { completionWeight: 0 }),
    ...(partWeights && {
      partWeights: Object.fromEntries(Object.entries(partWeights).map(([part, weight]) => [part, rounded(weight)])),
    }),
    ...(turns && { turns }),
  };
}

// ---------------------------------------------------------------- what to type

function linesFor(tool: Tool, weighting: LossWeighting, pattern: WeightPattern): string[] {
  const withoutFile = isPlain(weighting, pattern) ? ofItsOwn(tool, weighting) : [];
  return [...LINES[tool], ...withoutFile];
}

/** Whether a tool's own switches say it: one weight, on the completion alone or on everything. */
function isPlain({ plw, completionWeight = 1, partWeights = {} }: LossWeighting, { values }: WeightPattern): boolean {
  const isOnEverything = plw === completionWeight;
  return (
    values.length === 1 &&
    completionWeight > 0 &&
    Object.keys(partWeights).length === 0 &&
    (plw === 0 || isOnEverything)
  );
}

const LINES: Record<Tool, readonly string[]> = {
  trl: [
    'dataset = load_dataset("json", data_files="FILE.jsonl", split="train")  # columns input_ids, labels',
    "args = SFTConfig(max_length=None, packing=False, …)",
    "SFTTrainer(model, args=args, train_dataset=dataset).train()",
  ],
  axolotl: [
    "datasets:",
    "  - path: FILE.jsonl",
    "    ds_type: json",
    "    type:  # empty: the columns input_ids, attention_mask and labels are taken as they are",
    "sample_packing: false",
  ],
  "llama-factory": [
    'load_dataset("parquet", data_files="FILE.parquet").save_to_disk("FILE.tokenized")  # once, in Python',
    "stage: sft",
    "tokenized_path: FILE.tokenized",
    "packing: false",
  ],
  "ms-swift": ["swift sft --dataset FILE.jsonl --template dummy --loss_scale default --is_binary_loss_scale false …"],
  "megatron-bridge": [
    'cfg.dataset.offline_packing_specs.packed_train_data_path = "FILE.idx.parquet"  # one row a pack',
    "cfg.model.calculate_per_token_loss = True",
    "cfg.ddp.average_in_collective = False",
  ],
  tinker: [
    "datum = tinker.Datum(",
    '    model_input=tinker.ModelInput.from_ints(row["input_tokens"]),',
    '    loss_fn_inputs={"target_tokens": row["target_tokens"], "weights": row["weights"]},',
    ")",
    'training_client.forward_backward(data_of_the_batch, "cross_entropy")',
  ],
};

/** What to type instead, where the tool's own template and switches give the same weights to its own tokens. */
function ofItsOwn(tool: Tool, { plw, turns = "all" }: LossWeighting): string[] {
  const isMasked = plw === 0;
  if (turns === "last")
    return tool === "llama-factory" && isMasked ? ["# or, with rows of its own: mask_history: true"] : [];
  const lines: Partial<Record<Tool, string>> = {
    trl: isMasked
      ? "# or, with rows of its own: SFTConfig(completion_only_loss=True), conversations: assistant_only_loss=True"
      : "# or, with rows of its own: SFTConfig(completion_only_loss=False)",
    axolotl: `# or, with rows of its own: train_on_inputs: ${!isMasked}`,
    "llama-factory": `# or, with rows of its own: train_on_prompt: ${!isMasked}`,
    "ms-swift": `# or, with rows of its own: --loss_scale ${isMasked ? "default" : "all"}`,
  };
  return tool in lines ? [lines[tool]!] : [];
}

// ---------------------------------------------------------------- what else has to hold

function conditionsFor(tool: Tool, { rule, factor }: { rule: ToolRule; factor: number }, batchSize?: number): string[] {
  return [
    ...(factor === 1
      ? []
      : [
          `its loss is ${factor} times ours in every batch: AdamW takes the same steps if ε and the maximum norm of the ` +
            "gradient are multiplied by this number, too",
        ]),
    ...(rule === "batches" ? [inOrder(tool, batchSize!)] : []),
    ...(rule === "rows" ? [`at most ${batchSize} rows in an optimizer batch, in any order`] : []),
    ...CONDITIONS[tool],
  ];
}

function inOrder(tool: Tool, batchSize: number): string {
  const settings: Partial<Record<Tool, string>> = {
    "ms-swift":
      " (--dataset_shuffle false --train_dataloader_shuffle false, and per_device_train_batch_size × devices × " +
      `gradient_accumulation_steps = ${batchSize})`,
  };
  return `each optimizer batch has the next ${batchSize} rows of the file, in its order${settings[tool] ?? ""}`;
}

const CONDITIONS: Record<Tool, readonly string[]> = {
  trl: ["the model's loss takes num_items_in_batch, as those of Transformers' language models do", "loss_type nll"],
  axolotl: [
    "the model's loss takes num_items_in_batch, as those of Transformers' language models do",
    "sequence_len is at least the longest row",
  ],
  "llama-factory": ["the model's loss takes num_items_in_batch, as those of Transformers' language models do"],
  "ms-swift": [
    "is_binary_loss_scale false: otherwise the base strategy makes every loss_scale above 0 a 1",
    "every row ends with the end-of-sequence token, which the tool appends otherwise",
    "max_length is at least the longest row",
  ],
  "megatron-bridge": [
    "loss_mask has whole numbers, since the tool makes 0 of 0.1",
    "the sum of loss_mask over an optimizer batch is below 2^31",
    "calculate_per_token_loss; without it every micro-batch has its own divisor",
  ],
  tinker: ["every row of an optimizer batch is sent before optim_step, in as many calls as you like"],
};
