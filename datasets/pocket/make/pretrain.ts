/** Pre-trains the two pocket models from random parameters on the stream of plain texts. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { encodedRows, promptAndCompletion, type EncodedDataset } from "../../../lib/data/encode";
import { seededRandom } from "../../../lib/data/random";
import { loadTokenizer, type Tokenizer } from "../../../lib/data/tokenizer";
import type { ModelConfig } from "../../../lib/model/config";
import { createModel } from "../../../lib/model/causal-lm";
import { threads } from "../../../lib/model/tensorflow";
import { ALPACA_HYPERPARAMETERS } from "../../../lib/runs/hyperparameters";
import { Trainer } from "../../../lib/train/trainer";
import { randomDocument } from "./texts";

const CONTEXT = 256;
/** Rows per optimizer step; with 100 rows, the models do not learn to translate from the same texts. */
const BATCH = 24;
/**
 * Share of rows that fill the context with several documents, so that its later positions are trained; all other rows
 * are single documents.
 */
const FULL_ROWS = 1 / BATCH;

/**
 * The models by name. pocket-2 is to pocket-1 what LLaMA 2 is to LLaMA 1: the same architecture and tokenizer, trained
 * on more text.
 */
export const POCKET_MODELS: Record<string, { steps: number; seed: number }> = {
  "pocket-1": { steps: 1800, seed: 1 },
  "pocket-2": { steps: 2600, seed: 2 },
};

const ARCHITECTURE: Omit<ModelConfig, "vocabularySize" | "paddingIndex"> = {
  hiddenSize: 64,
  intermediateSize: 176,
  layers: 4,
  heads: 4,
  keyValueHeads: 2,
  headSize: 16,
  normEpsilon: 1e-5,
  maxPositions: CONTEXT,
  ropeBase: 10000,
  ropeScaling: null,
  tiedHead: true,
};

/** Generates documents, each between a beginning- and an end-of-sequence token. */
function plainTexts(rows: number, seed: number, tokenizer: Tokenizer): EncodedDataset {
  const random = seededRandom("pre-training", seed);
  const document = (): number[] => [...tokenizer.encode(randomDocument(random)), tokenizer.eosId];
  const examples = Array.from({ length: rows }, (_, row) => {
    const ids = document();
    if (random() < FULL_ROWS) while (ids.length < CONTEXT) ids.push(...document());
    return promptAndCompletion(row, ids.slice(0, CONTEXT), 0);
  });
  return encodedRows(examples);
}

/**
 * Pre-trains one model in a single pass over its texts and writes it as a Hugging Face directory to
 * `<root>/models/<name>`.
 * @param name a key of {@link POCKET_MODELS}
 * @param root the folder `datasets/pocket`, which contains the tokenizer
 */
export function pretrain(name: string, root: string): void {
  const { steps, seed } = POCKET_MODELS[name];
  const tokenizerDir = join(root, "tokenizer");
  const tokenizer = loadTokenizer(tokenizerDir);
  const model = createModel(
    { ...ARCHITECTURE, vocabularySize: tokenizer.vocabularySize, paddingIndex: tokenizer.padId },
    seed,
    tokenizerDir,
  );
  const hyperparameters = {
    ...ALPACA_HYPERPARAMETERS,
    learningRate: 4e-3,
    warmupRatio: 0.05,
    batchSize: BATCH,
    microBatchSize: 8,
    epochs: 1,
    weightDecay: 0.01,
    beta2: 0.98,
    maxLength: CONTEXT,
  };
  const texts = plainTexts(steps * BATCH, seed, tokenizer);
  const trainer = new Trainer(model, texts, { plw: 1, normalizer: "tokens", hyperparameters, seed });
  const started = performance.now();
  const tokens = texts.examples.reduce((sum, { ids }) => sum + ids.length, 0);
  console.log(`${name}: ${model.parameterCount} parameters, ${tokens} tokens, ${threads()} thread`);
  while (trainer.stepsDone < trainer.totalSteps) {
    const { step, loss } = trainer.step();
    if (step % 100 === 0) {
      const seconds = ((performance.now() - started) / 1000).toFixed(0);
      console.log(`${name}: step ${step} of ${steps}, loss ${loss.toFixed(4)}, ${seconds} s`);
    }
  }
  const dir = join(root, "models", name);
  model.save(dir);
  const path = join(dir, "config.json");
  const config = {
    ...(JSON.parse(readFileSync(path, "utf8")) as object),
    bos_token_id: tokenizer.bosId,
    eos_token_id: tokenizer.eosId,
  };
  writeFileSync(path, `${JSON.stringify(config, null, 2)}\n`);
  trainer.dispose();
  model.dispose();
}
