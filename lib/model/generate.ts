import { ModelError } from "../data/errors";
import { seededRandom } from "../data/random";
import { cacheRows, type KeyValueCache } from "./layout";
import type { Decoder, IdBatch } from "./llama";
import { tf } from "./tensorflow";

export interface GenerationOptions {
  /** of all prompts, or one number a prompt */
  maxNewTokens: number | readonly number[];
  /** 0 (default): the most likely token; above 0: sampled from softmax(logits / temperature) */
  temperature?: number;
  /** Sample among the smallest set of tokens whose probabilities reach this sum; default 1. */
  topP?: number;
  seed?: number;
  /** Generation ends after this token; default the tokenizer's end-of-sequence. */
  stopId?: number;
  /** Generation also ends once this is true of the new tokens. */
  stopWhen?: (ids: readonly number[]) => boolean;
  /** Prompts that go through the model together; default 32. */
  batchSize?: number;
  signal?: AbortSignal;
}

export interface Generation {
  /** the new tokens, those included that made it stop */
  ids: number[];
  /** their text, special tokens left out; empty without a tokenizer */
  text: string;
  finish: "stop" | "length";
}

/** Continues prompts of token ids with a key-value cache, in batches of similar length; results in the prompts' order. */
export async function generate(
  model: Decoder,
  prompts: readonly number[][],
  options: GenerationOptions,
): Promise<Generation[]> {
  const { maxNewTokens, batchSize = 32, temperature = 0, topP = 1 } = options;
  const limits = typeof maxNewTokens === "number" ? prompts.map(() => maxNewTokens) : maxNewTokens;
  if (limits.length !== prompts.length)
    throw new ModelError(`maxNewTokens has ${limits.length} numbers for ${prompts.length} prompts.`);
  const impossible = limits.find((limit) => !Number.isInteger(limit) || limit < 0);
  if (impossible !== undefined) throw new ModelError(`maxNewTokens must be a whole number, not ${impossible}.`);
  if (!(temperature >= 0) || !(topP > 0 && topP <= 1))
    throw new ModelError(`temperature must be at least 0 and topP in (0, 1], not ${temperature} and ${topP}.`);
  for (const prompt of prompts) model.checkIds(prompt);
  const results = new Array<Generation>(prompts.length);
  const order = prompts.map((_, i) => i).sort((a, b) => prompts[b].length - prompts[a].length);
  for (let start = 0; start < order.length; start += batchSize) {
    const rows = order.slice(start, start + batchSize);
    const choosers = rows.map((row) => chooser(temperature, topP, seededRandom(options.seed ?? 0, row)));
    const generated = await generateBatch(
      model,
      rows.map((row) => prompts[row]),
      rows.map((row) => limits[row]),
      choosers,
      options,
    );
    rows.forEach((row, i) => {
      results[row] = generated[i];
    });
  }
  return results;
}

type Choose = (logits: Float32Array) => number;

async function generateBatch(
  model: Decoder,
  prompts: number[][],
  limits: number[],
  choose: Choose[],
  options: GenerationOptions,
): Promise<Generation[]> {
  const stopId = options.stopId ?? model.tokenizer?.eosId;
  const { vocabularySize, maxPositions } = model.config;
  const generations: Generation[] = prompts.map(() => ({ ids: [], text: "", finish: "length" }));
  const length = Math.max(...prompts.map((prompt) => prompt.length));
  let alive = prompts.map((_, i) => i).filter((row) => limits[row] > 0);
  const capacity = Math.min(maxPositions, length + Math.max(...limits)); // all that the cache will come to hold
  let padding = alive.map((row) => length - prompts[row].length);
  let cache: KeyValueCache[] | undefined;
  let input = leftPadded(
    alive.map((row) => prompts[row]),
    length,
  );
  try {
    while (alive.length > 0) {
      await new Promise(setImmediate); // lets an interrupt through
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

      const going: number[] = []; // positions among the alive rows that go on
      alive.forEach((row, i) => {
        const id = choose[row](logits.subarray(i * vocabularySize, (i + 1) * vocabularySize));
        generations[row].ids.push(id);
        if (id === stopId || options.stopWhen?.(generations[row].ids)) generations[row].finish = "stop";
        else if (
          generations[row].ids.length < limits[row] &&
          prompts[row].length + generations[row].ids.length < maxPositions
        )
          going.push(i);
      });
      if (going.length < alive.length && going.length > 0) cache = keepRows(cache, going);
      alive = going.map((i) => alive[i]);
      padding = going.map((i) => padding[i]);
      input = { ids: Int32Array.from(alive, (row) => generations[row].ids.at(-1)!), batch: alive.length, length: 1 };
    }
  } finally {
    tf.dispose(cache);
  }
  for (const generation of generations)
    generation.text = model.tokenizer?.decode(generation.ids, { skipSpecialTokens: true }) ?? "";
  return generations;
}

function leftPadded(prompts: number[][], length: number): IdBatch {
  const ids = new Int32Array(prompts.length * length);
  prompts.forEach((prompt, row) => ids.set(prompt, (row + 1) * length - prompt.length));
  return { ids, batch: prompts.length, length };
}

function keepRows(cache: KeyValueCache[], rows: number[]): KeyValueCache[] {
  const kept = tf.tidy(() => cacheRows(cache, tf.tensor1d(rows, "int32")));
  tf.dispose(cache);
  return kept;
}

function chooser(temperature: number, topP: number, random: () => number): Choose {
  if (temperature === 0) {
    return (logits) => {
      let best = 0;
      for (let i = 1; i < logits.length; i++) if (logits[i] > logits[best]) best = i;
      return best;
    };
  }
  return (logits) => {
    const largest = logits.reduce((a, b) => Math.max(a, b), -Infinity);
    const weights = Float64Array.from(logits, (x) => Math.exp((x - largest) / temperature));
    const order = Array.from(weights.keys()).sort((a, b) => weights[b] - weights[a]);
    const total = weights.reduce((a, b) => a + b, 0);
    let kept = 0;
    let count = 0;
    while (count < order.length && kept < topP * total) kept += weights[order[count++]];
    let left = random() * kept;
    for (let i = 0; i < count; i++) if ((left -= weights[order[i]]) < 0) return order[i];
    return order[count - 1];
  };
}
