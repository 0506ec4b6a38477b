import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import type { Example } from "../../lib/data/example";
import { seededRandom } from "../../lib/data/random";
import { readTokenizerCopy, writeModelDirectory } from "../../lib/model/directory";
import type { ModelConfig } from "../../lib/model/config";
import { parameterShapes } from "../../lib/model/parameters";
import type { HostTensor } from "../../lib/model/safetensors";

const TOKENIZER = join(__dirname, "..", "data", "fixtures", "llama");

/** Configuration of a decoder with a few thousand parameters, whose training steps take milliseconds. */
export const TINY: ModelConfig = {
  vocabularySize: 512,
  hiddenSize: 16,
  intermediateSize: 32,
  layers: 2,
  heads: 2,
  keyValueHeads: 2,
  headSize: 8,
  normEpsilon: 1e-5,
  maxPositions: 256,
  ropeBase: 10000,
  ropeScaling: null,
  tiedHead: true,
  paddingIndex: null,
};

/** Hyperparameters for short training runs on {@link tinyExamples}. */
export const QUICK = { learningRate: 1e-2, batchSize: 4, microBatchSize: 2, epochs: 2, maxLength: 192 };

/** Creates a temporary folder that is deleted after the test file. */
export function temporaryFolder(): string {
  const dir = mkdtempSync(join(tmpdir(), "promptloss-test-"));
  after(() => rmSync(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 }));
  return dir;
}

/**
 * Writes a model with random parameters, without loading TensorFlow.
 * @param modify may change the parameters before they are written
 * @returns `dir`
 */
export function tinyModel(dir: string, seed: number, modify?: (parameters: Map<string, HostTensor>) => void): string {
  const random = seededRandom("tiny model", seed);
  const parameters = new Map(
    [...parameterShapes(TINY)].map(([name, shape]) => {
      const size = shape.reduce((product, n) => product * n, 1);
      return [
        name,
        {
          shape,
          data:
            shape.length === 1
              ? new Float32Array(size).fill(1)
              : Float32Array.from({ length: size }, () => 0.2 * (random() - 0.5)),
        },
      ];
    }),
  );
  modify?.(parameters);
  writeModelDirectory(dir, TINY, parameters, readTokenizerCopy(TOKENIZER));
  return dir;
}

const WORDS =
  "bread mill bell copper lantern river Tovin Mira sells buys under near old seven coins morning boat".split(" ");

/** Creates random examples of a few words; every other row has an input. */
export function tinyExamples(rows: number, seed: number): Example[] {
  const random = seededRandom("tiny examples", seed);
  const words = (maximum: number) =>
    Array.from({ length: 1 + Math.floor(random() * maximum) }, () => WORDS[Math.floor(random() * WORDS.length)]).join(
      " ",
    );
  return Array.from({ length: rows }, (_, row) => ({
    instruction: `Say ${words(3)}.`,
    input: row % 2 ? words(4) : "",
    output: words(8),
  }));
}

/**
 * Writes a value as JSON, creating missing folders.
 * @returns `path`
 */
export function writeJson(path: string, value: unknown): string {
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, JSON.stringify(value));
  return path;
}

/** Reads a JSON file, unchecked. */
export const readJson = <T>(path: string) => JSON.parse(readFileSync(path, "utf8")) as T;
