// Trains a small model for a few steps and prints a digest of its weights.
import { createHash } from "node:crypto";
import { encodedRows, promptAndCompletion } from "../../lib/data/encode";
import { seededRandom } from "../../lib/data/random";
import { createModel } from "../../lib/model/causal-lm";
import { threads } from "../../lib/model/tensorflow";
import { ALPACA_HYPERPARAMETERS } from "../../lib/runs/hyperparameters";
import { Trainer } from "../../lib/train/trainer";
import { QUICK, TINY } from "../runs/world";

const random = seededRandom("rows");
const rows = Array.from({ length: 24 }, (_, row) => {
  const ids = Array.from({ length: 30 + ((row * 37) % 150) }, () => Math.floor(1100 * random()));
  return promptAndCompletion(row, ids, 9);
});
const model = createModel({ ...TINY, vocabularySize: 1100, hiddenSize: 96, intermediateSize: 272, headSize: 48 }, 1);
const hyperparameters = { ...ALPACA_HYPERPARAMETERS, ...QUICK, batchSize: 8, microBatchSize: 8 };
const options = { plw: 0.1, normalizer: "weights" as const, seed: 1, hyperparameters };
const trainer = new Trainer(model, encodedRows(rows), options);
for (let step = 0; step < 3; step++) trainer.step();
const hash = createHash("sha256");
for (const { data } of model.parameterValues().values()) hash.update(data);
console.log(`${threads()} ${hash.digest("hex")}`);
