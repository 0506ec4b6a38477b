import { ModelError } from "../data/errors";
import { seededRandom } from "../data/random";
import { allFinite, notFiniteOutput } from "./finite";
import { cacheRows, type KeyValueCache } from "./layout";
import type { Decoder, IdBatch } from "./llama";
import { tf } from "./tensorflow";

/** Options of `generate`. */
export interface GenerationOptions {
  /** maximum number of new tokens, for all prompts or for each; the model's context also limits it */
  maxNewTokens: number | readonly number[];
  /** 0 (default): the most likely token; above 0: sampled from softmax(logits / temperature) */
  temperature?: number;
  /** sample from the smallest set of tokens whose probabilities sum to at least topP, in (0, 1]; default 1 */
  topP?: number;
  /** seed of the sampling; default 0. Each prompt has its own random sequence, which the batch size does not affect. */
  seed?: number;
  /** generation ends after each of these tokens; default: the tokenizer's `endIds` */
  stopIds?: readonly number[];
  /** generation also ends once this returns true for the new tokens */
  stopWhen?: (ids: readonly number[]) => boolean;
  /** prompts per batch; default 32 */
  batchSize?: number;
  /** when aborted, generation stops before the next token and throws the signal's reason */
  signal?: AbortSignal;
}

/** Continuation of one prompt. */
export interface Generation {
  /** the new tokens, including those that ended generation */
  ids: number[];
  /** their text without special tokens; empty if the model has no tokenizer */
  text: string;
  /** "stop": ended by `stopIds` or `stopWhen`; "length": reached `maxNewTokens` or the model's context */
  finish: "stop" | "length";
}

/**
 * Continues prompts with a key-value cache, in batches of prompts of similar length.
 *
 * @param prompts token ids of each prompt
 * @returns generations in the order of the prompts
 * @throws {ModelError} if an option is invalid, or a prompt is empty, too long or has an id outside the vocabulary
 * @throws {NotFiniteError} if a logit is NaN or infinite; `input` is the index of the prompt
 */
export async function generate(
  model: Decoder,
  prompts: readonly number[][],
  options: GenerationOptions,
): Promise<Generation[]> {
  const { maxNewTokens, batchSize = 32, temperature = 0, topP = 1 } = options;
  const limits = typeof maxNewTokens === "number" ? prompts.map(() => maxNewTokens) : maxNewTokens;
  if (limits.length !== prompts.length)
    throw new ModelError(
      `maxNewTokens has ${limits.length} numbers for ${prompts.length} prompts; give one number, or one per prompt.`,
    );
  const invalid = limits.find((limit) => !Number.isInteger(limit) || limit < 0);
  if (invalid !== undefined) throw new ModelError(`maxNewTokens must be a whole number of at least 0, got ${invalid}.`);
  if (!(temperature >= 0)) throw new ModelError(`temperature must be at least 0, got ${temperature}.`);
  if (!(topP > 0 && topP <= 1)) throw new ModelError(`topP must be in (0, 1], got ${topP}.`);
  for (const prompt of prompts) model.checkIds(prompt);
  const results = new Array<Generation>(prompts.length);
  const order = prompts.map((_, i) => i).sort((a, b) => prompts[b].length - prompts[a].length);
  for (let start = 0; start < order.length; start += batchSize) {
    const rows = order.slice(start, start + batchSize);
    const batch = rows.map((row) => ({
      index: row,
      prompt: prompts[row],
      limit: limits[row],
      sample: tokenSampler(temperature, topP, seededRandom(options.seed ?? 0, row)),
    }));
    const generated = await generateBatch(model, batch, options);
    rows.forEach((row, i) => {
      results[row] = generated[i];
    });
  }
  return results;
}

/** Selects the next token id from the logits of all tokens, which are finite. */
type Sampler = (logits: Float32Array) => number;

/** A prompt to continue. */
interface Continued {
  /** index among all prompts */
  index: number;
  /** token ids */
  prompt: number[];
  /** maximum number of new tokens */
  limit: number;
  sample: Sampler;
}

/** Continues one batch of prompts, left-padded to a common length; a row leaves the batch when it has ended. */
async function generateBatch(
  model: Decoder,
  batch: readonly Continued[],
  options: GenerationOptions,
): Promise<Generation[]> {
  const { tokenizer } = model;
  const stopIds = new Set(options.stopIds ?? tokenizer?.endIds ?? (tokenizer ? [tokenizer.eosId] : []));
  const { vocabularySize, maxPositions } = model.config;
  const generations: Generation[] = batch.map(() => ({ ids: [], text: "", finish: "length" }));
  const length = Math.max(...batch.map(({ prompt }) => prompt.length));
  let active = batch.map((_, row) => row).filter((row) => batch[row].limit > 0);
  const longest = length + Math.max(...batch.map(({ limit }) => limit));
  const capacity = Math.min(maxPositions, longest); // final number of positions in the cache
  let padding = active.map((row) => length - batch[row].prompt.length);
  let cache: KeyValueCache[] | undefined;
  let input = leftPadded(
    active.map((row) => batch[row].prompt),
    length,
  );
  try {
    while (active.length > 0) {
      await new Promise(setImmediate); // lets Node handle an interrupt
      options.signal?.throwIfAborted();
      const past: KeyValueCache[] | undefined = cache;
      const pass = tf.tidy(() => {
        const { hidden, cache: next } = model.inferencePass(input, { padding, past, capacity, tail: 1 });
        return { logits: model.project(hidden), next };
      });
      tf.dispose(past);
      cache = pass.next;
      const logits = pass.logits.dataSync<"float32">() as Float32Array;
      pass.logits.dispose();

      const continuing: number[] = []; // indices into `active`
      active.forEach((row, i) => {
        const { ids } = generations[row];
        const { index, prompt, limit, sample } = batch[row];
        const ofRow = logits.subarray(i * vocabularySize, (i + 1) * vocabularySize);
        if (!allFinite(ofRow)) throw notFiniteOutput(model, `a logit of new token ${ids.length + 1}`, index);
        ids.push(sample(ofRow));
        if (stopIds.has(ids.at(-1)!) || options.stopWhen?.(ids)) generations[row].finish = "stop";
        else if (ids.length < limit && prompt.length + ids.length < maxPositions) continuing.push(i);
      });
      if (continuing.length < active.length && continuing.length > 0) cache = keepRows(cache, continuing);
      active = continuing.map((i) => active[i]);
      padding = continuing.map((i) => padding[i]);
      const lengthOf = (row: number) => batch[row].prompt.length + generations[row].ids.length;
      if (active.some((row) => model.changesRotations(lengthOf(row)))) {
        tf.dispose(cache);
        cache = undefined; // its keys were rotated as in shorter sequences
        const sequences = active.map((row) => [...batch[row].prompt, ...generations[row].ids]);
        input = leftPadded(sequences, sequences[0].length + padding[0]);
        continue;
      }
      const lastIds = Int32Array.from(active, (row) => generations[row].ids.at(-1)!);
      input = { ids: lastIds, batch: active.length, length: 1 };
    }
  } finally {
    tf.dispose(cache);
  }
  for (const generation of generations)
    generation.text = model.tokenizer?.decode(generation.ids, { skipSpecialTokens: true }) ?? "";
  return generations;
}

/** Arranges prompts as rows of `length` ids, padded on the left with id 0. */
function leftPadded(prompts: number[][], length: number): IdBatch {
  const ids = new Int32Array(prompts.length * length);
  prompts.forEach((prompt, row) => ids.set(prompt, (row + 1) * length - prompt.length));
  return { ids, batch: prompts.length, length };
}

/** Removes the other rows from the cache and disposes the old tensors. */
function keepRows(cache: KeyValueCache[], rows: number[]): KeyValueCache[] {
  const kept = tf.tidy(() => cacheRows(cache, tf.tensor1d(rows, "int32")));
  tf.dispose(cache);
  return kept;
}

/**
 * Creates a sampler: the most likely token (the first of equals) at temperature 0, otherwise a token of the top-p set.
 *
 * @param random uniform in [0, 1)
 */
function tokenSampler(temperature: number, topP: number, random: () => number): Sampler {
  if (temperature === 0) {
    return (logits) => {
      let best = 0;
      for (let i = 1; i < logits.length; i++) if (logits[i] > logits[best]) best = i;
      return best;
    };
  }
  return (logits) => {
    const largest = logits.reduce((a, b) => Math.max(a, b), -Infinity);
    // Probabilities times a common factor, `total`.
    const masses = Float64Array.from(logits, (x) => Math.exp((x - largest) / temperature));
    const order = Array.from(masses.keys()).sort((a, b) => masses[b] - masses[a]);
    const total = masses.reduce((a, b) => a + b, 0);
    let kept = 0;
    let count = 0;
    while (count < order.length && kept < topP * total) kept += masses[order[count++]];
    let remaining = random() * kept;
    for (let i = 0; i < count; i++) {
      remaining -= masses[order[i]];
      if (remaining < 0) return order[i];
    }
    return order[count - 1];
  };
}
