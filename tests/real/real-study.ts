// A study on real data, if they are available next to the checkout: a pre-trained model with 260 K parameters, rows of
// AlpacaData and of AlpacaDataCleaned, and AlpacaDataShort made from the latter. To run the full study, from the
// repository root:
//
//   node --import tsx tests/real/real-study.ts out/real
//   PROMPTLOSS_NORMALIZERS=out/real/normalizers.json npm run study -- --study out/real/study.json --out out/real
import { join, resolve } from "node:path";
import { readExamples, type Example } from "../../lib/data/example";
import { seededRandom, shuffled } from "../../lib/data/random";
import { writeJson } from "../runs/world";
import { SHARED } from "../support/shared";

const MODEL = join(SHARED, "models", "stories260K");
const ALPACA = join(SHARED, "data", "alpaca");

/**
 * Writes the rows, the study file, and a second study file that crosses PLW and normalizer to `folder`.
 * @param size.rows number of rows of each dataset
 * @param size.maxSteps limits the steps of a run, for a quick look; by default a run is one epoch
 * @returns the path of the study file
 */
export function writeRealStudy(
  folder: string,
  { rows = 1000, maxSteps }: { rows?: number; maxSteps?: number } = {},
): string {
  // The second file contains the first rows of a larger file, not a random sample, so the rows are shuffled.
  const random = seededRandom("real study");
  const sample = (name: string): Example[] => shuffled(readExamples(join(ALPACA, name)), random);
  const plain = sample("alpaca_data_sample_9229.json");
  const cleaned = sample("alpaca_data_cleaned_first_5000.json");
  const write = (name: string, examples: Example[]): string => writeJson(resolve(folder, name), examples);
  const common = {
    models: { stories260K: MODEL },
    heldout: write("heldout.json", cleaned.slice(rows, 2 * rows)),
    plws: [0, 0.0005, 0.1, 1],
  };
  const datasets = {
    AlpacaData: { path: write("alpaca.json", plain.slice(0, rows)) },
    AlpacaDataCleaned: { path: write("alpaca-cleaned.json", cleaned.slice(0, rows)) },
    AlpacaDataShort: { from: "AlpacaDataCleaned", transform: "invertLongCompletions" },
  };
  const hyperparameters = {
    learningRate: 1e-3,
    batchSize: 16,
    microBatchSize: 16,
    epochs: 1,
    maxLength: 448,
    ...(maxSteps !== undefined && { maxSteps }),
  };
  writeJson(resolve(folder, "normalizers.json"), {
    ...common,
    name: "real-normalizers",
    datasets: { AlpacaDataCleaned: datasets.AlpacaDataCleaned, AlpacaDataShort: datasets.AlpacaDataShort },
    normalizers: ["weights", "tokens", "completion", "sequence"],
    seeds: [42, 43],
    hyperparameters: { ...hyperparameters, maxSteps: Math.min(maxSteps ?? Infinity, 30) },
  });
  return writeJson(resolve(folder, "study.json"), {
    ...common,
    name: "real",
    datasets,
    normalizers: ["weights", "tokens"],
    hyperparameters,
  });
}

if (require.main === module) console.log(writeRealStudy(process.argv[2] ?? "out/real"));
