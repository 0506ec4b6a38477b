/** Pre-trains the two pocket models from random weights on the stream of plain texts. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { EncodedDataset } from "../../../lib/data/encode";
import { seededRandom } from "../../../lib/data/random";
import { loadTokenizer, type Tokenizer } from "../../../lib/data/tokenizer";
import type { ModelConfig } from "../../../lib/model/config";
import { createModel } from "../../../lib/model/llama";
import { threads } from "../../../lib/model/tensorflow";
import { ALPACA_HYPERPARAMETERS } from "../../../lib/runs/hyperparameters";
import { Trainer } from "../../../lib/train/trainer";
import { pick } from "./choose";
import { randomDocument } from "./texts";

const CONTEXT = 256;
/** Most rows are short, which is faster; the rest teach the later positions. */
const ROW_LENGTHS = [128, 128, 128, 256];
const BATCH = 24;

/** pocket-2 is to pocket-1 as LLaMA 2 to LLaMA 1: the same architecture and tokenizer, trained on more text. */
export const POCKET_MODELS: Record<string, { steps: number; seed: number }> = {
  "pocket-1": { steps: 600, seed: 1 },
  "pocket-2": { steps: 1300, seed: 2 },
};

const ARCHITECTURE: Omit<ModelConfig, "vocabularySize" | "paddingIndex"> = {
  hiddenSize: 64, intermediateSize: 176, layers: 4, heads: 4, keyValueHeads: 2, headSize: 16, normEpsilon: 1e-5,
  maxPositions: CONTEXT, ropeBase: 10000, ropeScaling: null, tiedHead: true,
};

/** Rows cut from one stream of documents, each document between its beginning- and end-of-sequence token. */
function packedTexts(rows: number, seed: number, tokenizer: Tokenizer): EncodedDataset {
  const random = seededRandom("pre-training", seed);
  const examples: EncodedDataset["examples"] = [];
  let ids: number[] = [];
  while (examples.length < rows) {
    const length = pick(ROW_LENGTHS, random);
    while (ids.length < length) ids.push(...tokenizer.encode(randomDocument(random)), tokenizer.eosId);
    examples.push({ row: examples.length, ids: ids.slice(0, length), promptLength: 0, lostCompletionTokens: 0 });
    ids = ids.slice(length);
  }
  return { examples, truncated: [], withoutCompletion: [], dropped: [], emptyCompletions: [] };
}

/** Trains one of them, once through its texts, and writes it as a Hugging Face directory. */
export function pretrain(name: string, root: string): void {
  const { steps, seed } = POCKET_MODELS[name];
  const tokenizerDir = join(root, "tokenizer");
  const tokenizer = loadTokenizer(tokenizerDir);
  const model = createModel({ ...ARCHITECTURE, vocabularySize: tokenizer.vocabularySize, paddingIndex: tokenizer.padId }, seed, tokenizerDir);
  const hyperparameters = {
    ...ALPACA_HYPERPARAMETERS, learningRate: 6e-3, warmupRatio: 0.05, batchSize: BATCH, microBatchSize: 8, epochs: 1,
    weightDecay: 0.01, beta2: 0.98, maxLength: CONTEXT,
  };
  const texts = packedTexts(steps * BATCH, seed, tokenizer);
  const trainer = new Trainer(model, texts, { plw: 1, normalizer: "tokens", hyperparameters, seed });
  const started = performance.now();
  console.log(`${name}: ${model.parameterCount} parameters, ${texts.examples.reduce((sum, { ids }) => sum + ids.length, 0)} tokens, ${threads()} thread`);
  while (trainer.stepsDone < trainer.totalSteps) {
    const { step, loss } = trainer.step();
    if (step % 50 === 0) console.log(`${name}: step ${step} of ${steps}, loss ${loss.toFixed(4)}, ${((performance.now() - started) / 1000).toFixed(0)} s`);
  }
  const dir = join(root, "models", name);
  model.save(dir);
  const path = join(dir, "config.json");
  const config = { ...(JSON.parse(readFileSync(path, "utf8")) as object), bos_token_id: tokenizer.bosId, eos_token_id: tokenizer.eosId };
  writeFileSync(path, `${JSON.stringify(config, null, 2)}\n`);
  trainer.dispose();
  model.dispose();
}
