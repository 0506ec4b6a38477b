// Other training tools, as far as they concern loss weights: what they take as the weight of a token, and what they
// divide by.

/** The tools by name, in the order of what they can take: 0 or 1, numbers, numbers without a divisor. */
export const TOOLS = ["trl", "axolotl", "llama-factory", "ms-swift", "megatron-bridge", "tinker"] as const;

/** The name of one of the {@link TOOLS}. */
export type Tool = (typeof TOOLS)[number];

/**
 * Divisors of Σ w ℓ over an optimizer batch that can be asked for: our normalizers, and `sum`, which divides by nothing.
 */
export const TOOL_NORMALIZERS = ["weights", "tokens", "completion", "sequence", "sum"] as const;

/** The name of one of the {@link TOOL_NORMALIZERS}. */
export type ToolNormalizer = (typeof TOOL_NORMALIZERS)[number];

/**
 * What a tool takes as the weight c of a token, and what it divides Σ c ℓ over an optimizer batch by.
 * All of it was read in the source of the version that is named.
 */
export interface ToolFacts {
  title: string;
  /** version whose source was read */
  version: string;
  /** day on which it was read, the newest release of the package registry on that day */
  read: string;
  /** where in its source */
  source: string;
  /** weights that it can take: 0 and 1, whole numbers of at least 0, or any of at least 0 */
  weights: "binary" | "whole" | "any";
  /** what it divides by: the number of tokens with c > 0, Σ c, or nothing */
  divisor: "count" | "sum" | "none";
  /** the divisor in words, with what it depends on */
  dividesBy: string;
}

const READ = "2026-11-27";

const LABELS =
  "the number of labels other than −100 in the whole optimizer batch, whatever the micro-batches and devices " +
  "(Transformers' num_items_in_batch)";

/**
 * The tools. Transformers 5.24 (`trainer.py`, `_get_num_items_in_batch`) counts the labels after the first of each row
 * over all micro-batches of a step, and over all devices with `average_tokens_across_devices`, its default; the sums of
 * the micro-batches are divided by that one number, so accumulation leaves the loss as it is.
 */
export const TOOL_FACTS: Readonly<Record<Tool, ToolFacts>> = {
  trl: {
    title: "TRL",
    version: "1.16.0",
    read: READ,
    source: "trl/trainer/sft_trainer.py: compute_loss, and the column labels in _prepare_dataset",
    weights: "binary",
    divisor: "count",
    dividesBy: LABELS,
  },
  axolotl: {
    title: "Axolotl",
    version: "0.21.0",
    read: READ,
    source:
      "axolotl/utils/data/wrappers.py: _is_dataset_already_tokenized; core/trainers/base.py: compute_loss. Any weight " +
      "of a message other than 0 becomes 1 (prompt_strategies/chat_template.py)",
    weights: "binary",
    divisor: "count",
    dividesBy: LABELS,
  },
  "llama-factory": {
    title: "LLaMA-Factory",
    version: "0.9.5",
    read: READ,
    source:
      "llamafactory/data/loader.py: tokenized_path; data/processor/supervised.py: train_on_prompt, mask_history; the " +
      "loss is that of Transformers. Its v1 (USE_V1=1), v1/trainers/sft_trainer.py, takes a loss_weight of a message",
    weights: "binary",
    divisor: "count",
    dividesBy: LABELS,
  },
  "ms-swift": {
    title: "ms-swift",
    version: "4.6.0",
    read: READ,
    source:
      "swift/trainers/seq2seq_trainer.py: compute_loss; swift/loss_scale/base.py: token_ids and loss_scale of a " +
      "message's content; swift/template/base.py: _encode_context_list",
    weights: "any",
    divisor: "count",
    dividesBy: `${LABELS}; a label is −100 where the loss_scale is 0`,
  },
  "megatron-bridge": {
    title: "Megatron-Bridge",
    version: "0.6.2",
    read: READ,
    source:
      "megatron/bridge/training/losses.py: masked_next_token_loss; data/packing/gpt_sft.py: collate_fn; Megatron Core " +
      "0.19.2, core/pipeline_parallel/schedules.py and core/distributed/finalize_model_grads.py",
    weights: "whole",
    divisor: "sum",
    dividesBy:
      "with calculate_per_token_loss, the sum over the micro-batches of Σ loss_mask, each truncated to a whole number; " +
      "without it, each micro-batch by its own, and then by the number of micro-batches",
  },
  tinker: {
    title: "Tinker",
    version: "0.38.0",
    read: READ,
    source:
      'tinker/lib/public_interfaces/training_client.py: the loss "cross_entropy" is the sum of −logprob · weight; ' +
      "tinker_cookbook 0.6.1, supervised/common.py: datum_from_model_input_weights",
    weights: "any",
    divisor: "none",
    dividesBy: "nothing: it adds up everything that is sent before an optimizer step",
  },
};
