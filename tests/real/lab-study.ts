// A lab's own study on real data, from nothing but its file: two real models, three sets of real rows, four prompt loss
// weights, and every benchmark of the paper whose items lie beside the checkout; the others are named as missing. The
// judge is a real model behind a server of our own. It runs for hours on two cores; from the repository root:
//
//   node --import tsx tests/real/lab-study.ts <folder> --smollm2 <directory of SmolLM2-135M> [--items 100]
//
// `../shared/peers/smollm2_to_hf.py` makes the model's directory. The folder holds data, study, runs and outputs; the
// same command continues.
import { spawn, type ChildProcess } from "node:child_process";
import { copyFileSync, mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { taskGroup } from "../../lib/evaluate/task-list";
import { readExamples } from "../../lib/data/example";
import { seededRandom, shuffled } from "../../lib/data/random";
import { readJson, writeJson } from "../runs/world";
import { SHARED } from "../support/shared";

/** Size of the study. */
export interface LabStudySize {
  /** items of each benchmark; a quarter of them with 25 shots, a tenth where a judge compares: these take long */
  items: number;
  /** training rows of each data set */
  rows: number;
  /** optimizer steps of a run */
  maxSteps: number;
}

/**
 * Writes the study file, and the benchmarks' items in the folders where the tasks look for them.
 * @param models Hugging Face directories by name
 * @param judge address and model of an OpenAI-compatible server
 * @returns the path of the study file
 */
export function writeLabStudy(
  folder: string,
  models: Record<string, string>,
  judge: { url: string; model: string },
  { items, rows, maxSteps }: LabStudySize,
): string {
  const dataDir = join(folder, "benchmarks");
  writeBenchmarks(dataDir);
  const alpaca = join(SHARED, "data", "alpaca");
  const cleaned = join(alpaca, "alpaca_data_cleaned_first_5000.json");
  const heldout = shuffled(readExamples(join(alpaca, "alpaca_data_sample_9229.json")), seededRandom("lab study"));
  return writeJson(join(folder, "study.json"), {
    name: "lab",
    models,
    datasets: {
      AlpacaData: { path: join(alpaca, "alpaca_data_sample_9229.json") },
      AlpacaDataCleaned: { path: cleaned },
      AlpacaDataShort: { from: "AlpacaDataCleaned", transform: "invertLongCompletions" },
    },
    rows,
    heldout: writeJson(join(folder, "heldout.json"), heldout.slice(0, 30)),
    plws: [0, 0.01, 0.1, 1],
    dropEmpty: true,
    hyperparameters: { learningRate: 2e-5, batchSize: 8, microBatchSize: 8, maxLength: 256, epochs: 1, maxSteps },
    tasks: taskGroup("paper").map(({ name, format }) => {
      const [plain, version] = name.split("@");
      const share = /alpaca|pandalm/.test(plain) ? 10 : plain === "arc_challenge" ? 4 : 1;
      const limit = Math.ceil(items / share);
      return { name: plain, limit, ...(version && { version }), ...(format && { format }), ...maxNewTokens(plain) };
    }),
    dataDir,
    // it decodes greedily: asked again, it answers the same; and it says more than one line where one was asked for
    judge: { ...judge, attempts: 1, parameters: { stop: ["\n"] } },
    licenses: { AlpacaData: "cc-by-nc-4.0", AlpacaDataCleaned: "cc-by-nc-4.0" },
  });
}

/** Judged answers may have 512 tokens, more than the larger model's share of the time. */
const maxNewTokens = (task: string) => (/alpaca|pandalm/.test(task) ? { maxNewTokens: 96 } : {});

/** Writes the items of ARC, PIQA, TruthfulQA-MC2, WMT16 de-en, Alpaca Eval and PandaLM. */
function writeBenchmarks(dataDir: string): void {
  const copy = (from: string, task: string, split: string) => {
    mkdirSync(join(dataDir, task), { recursive: true });
    copyFileSync(join(SHARED, "reference", "lm-eval", "data", from), join(dataDir, task, `${split}.jsonl`));
  };
  copy("arc_challenge_test.jsonl", "arc_challenge", "test");
  copy("arc_challenge_train.jsonl", "arc_challenge", "train");
  copy("piqa_validation_0_918_without_314.jsonl", "piqa", "validation");
  copy("piqa_train_stub.jsonl", "piqa", "train");
  copy("truthfulqa_mc_validation_first408.jsonl", "truthfulqa_mc2", "validation");
  copy("wmt16_de-en_validation20_test20.jsonl", "wmt16-de-en", "validation");
  copy("wmt16_de-en_validation20.jsonl", "wmt16-de-en", "test");

  interface Row {
    instruction: string;
    input?: string;
    output: string;
  }
  const davinci = readJson<Row[]>(join(SHARED, "data", "alpaca_eval", "text_davinci_003.model_outputs.json"));
  writeJson(join(dataDir, "alpaca_eval", "alpaca_eval.json"), davinci);

  interface Pair {
    cmp_key: string;
    instruction: string;
    input: string;
    response1: string;
    response2: string;
  }
  const pandalm = join(SHARED, "data", "pandalm");
  mkdirSync(join(dataDir, "pandalm"), { recursive: true });
  copyFileSync(join(pandalm, "testset-inference-v1.json"), join(dataDir, "pandalm", "testset-inference-v1.json"));
  // the answers of llama-7b, where it was one of the pair, else those of the first model of the pair
  const opponents = new Map<string, Row>();
  const pairs = readJson<Pair[]>(join(pandalm, "testset-v1.json"));
  const isLlama = ({ cmp_key }: Pair) => cmp_key.split("_").indexOf("llama-7b");
  for (const pair of [...pairs].sort((a, b) => Number(isLlama(b) >= 0) - Number(isLlama(a) >= 0))) {
    const { instruction, input, response1, response2 } = pair;
    const key = JSON.stringify([instruction, input]);
    const output = String(isLlama(pair) === 1 ? response2 : response1);
    if (!opponents.has(key)) opponents.set(key, { instruction, input, output });
  }
  writeJson(join(dataDir, "pandalm", "opponents.json"), [...opponents.values()]);
}

/** Starts the judge's server; resolves when it listens. */
async function startJudge(dir: string): Promise<{ server: ChildProcess; url: string; model: string }> {
  const server = spawn(
    process.execPath,
    ["--import", "tsx", join(__dirname, "..", "evaluate", "judge-server.ts"), "--model", dir],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  for await (const line of createInterface({ input: server.stdout })) {
    return { server, ...(JSON.parse(line) as { url: string; model: string }) };
  }
  throw new Error("The judge's server ended before it listened; its message stands above.");
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      smollm2: { type: "string" },
      items: { type: "string", default: "100" },
      rows: { type: "string", default: "200" },
      steps: { type: "string", default: "20" },
    },
  });
  if (positionals.length !== 1 || !values.smollm2)
    throw new Error("Usage: lab-study.ts <folder> --smollm2 <directory>");
  const folder = resolve(positionals[0]);
  const smollm2 = resolve(values.smollm2);
  const { server, url, model } = await startJudge(smollm2);
  try {
    const study = writeLabStudy(
      folder,
      { stories260K: join(SHARED, "models", "stories260K"), "SmolLM2-135M": smollm2 },
      { url, model },
      { items: Number(values.items), rows: Number(values.rows), maxSteps: Number(values.steps) },
    );
    const child = spawn(
      process.execPath,
      ["--import", "tsx", "lib/cli.ts", "study", "--study", study, "--store", join(folder, "runs"), "--out", folder],
      { cwd: join(__dirname, "..", ".."), stdio: "inherit" },
    );
    return await new Promise<number>((done) => child.on("close", (code) => done(code ?? 1)));
  } finally {
    server.kill();
  }
}

if (require.main === module) void main().then((code) => (process.exitCode = code));
