// Ours and the peer in turn, on the same work. See README.md for what it printed here.
//
//   npm run bench -- training|sweep|inference|growth [--cases a,b,c] [--pairs 3] [--threads 2]
//     --python PYTHON --peer hf_plw.py --models DIR --data ALPACA.json
//
// or PROMPTLOSS_BENCH_{PYTHON,PEER,MODELS,DATA}. PYTHON has torch and transformers; DIR holds a folder for each model of cases.ts.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { readModelConfig } from "../lib/model/config";
import { TRAINING, WARM_UP, encodedRows, trainingFiles, trainingOperations, type Case, type Measured } from "./cases";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    python: { type: "string", default: process.env.PROMPTLOSS_BENCH_PYTHON }, peer: { type: "string", default: process.env.PROMPTLOSS_BENCH_PEER },
    models: { type: "string", default: process.env.PROMPTLOSS_BENCH_MODELS }, data: { type: "string", default: process.env.PROMPTLOSS_BENCH_DATA },
    cases: { type: "string", default: "a,b,c" }, pairs: { type: "string", default: "3" }, threads: { type: "string", default: String(availableParallelism()) },
    weights: { type: "string", default: "0,0.1" },
  },
});
const option = (name: "python" | "peer" | "models" | "data"): string => {
  const value = values[name];
  if (value === undefined) throw new Error(`--${name} is needed; see the head of bench/compare.ts.`);
  return name === "python" ? value : resolve(value);
};
const threads = Number(values.threads);
const pairs = Number(values.pairs);
const scratch = mkdtempSync(join(tmpdir(), "promptloss-bench-"));
const model = (name: string) => join(option("models"), name);

/** Runs a process to its end; its last line is JSON. Each measurement has its own, so that neither warms up the other. */
function measure(command: string, args: string[], environment: Record<string, string>): Measured {
  const output = execFileSync(command, args, { encoding: "utf8", maxBuffer: 1 << 28, stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...environment } });
  return JSON.parse(output.trimEnd().split("\n").at(-1)!) as Measured;
}

function caseFile(given: Case): string {
  const file = join(scratch, "case.json");
  writeFileSync(file, JSON.stringify(given));
  return file;
}

const ours = (given: Case) => measure(process.execPath, [...process.execArgv, join(__dirname, "ours.ts"), caseFile(given)],
  { TF_NUM_INTRAOP_THREADS: String(threads), TF_NUM_INTEROP_THREADS: "1", OMP_NUM_THREADS: String(threads) });
const peer = (given: Case, waiting: "PASSIVE" | "ACTIVE") => measure(option("python"), [join(__dirname, "peer.py"), option("peer"), caseFile(given)],
  { OMP_NUM_THREADS: String(threads), ...(waiting === "PASSIVE" && { OMP_WAIT_POLICY: waiting }) });

const median = (numbers: number[]): number => {
  const sorted = [...numbers].sort((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
};
const row = (cells: (string | number)[]) => console.log(`| ${cells.join(" | ")} |`);
const header = (cells: string[]) => { row(cells); row(cells.map(() => "---")); };
const megabytes = (bytes: number) => Math.round(bytes / 2 ** 20);

/** Tokens a second over the steps after the warm-up, and the median step. */
function pace({ steps }: Measured): { tokensPerSecond: number; step: number } {
  const counted = steps.slice(WARM_UP);
  const sum = (key: "tokens" | "seconds") => counted.reduce((total, step) => total + step[key], 0);
  return { tokensPerSecond: sum("tokens") / sum("seconds"), step: median(counted.map(({ seconds }) => seconds)) };
}

function training(): void {
  header(["case", "PLW", "side", "tokens/s", "s a step", "share of the matrix-product rate", "peak MB", "CPU s", "ours / peer", "loss differs by"]);
  for (const given of TRAINING.filter(({ name }) => values.cases.split(",").includes(name))) {
    const files = trainingFiles(scratch, option("data"), given);
    for (const plw of values.weights.split(",").map(Number)) {
      const work = { kind: "training", model: model(given.model), plw, batch: given.batch, microBatch: given.batch, maxLength: given.maxLength, learningRate: 1e-4, threads } as const;
      const sides = {
        ours: () => ours({ ...work, data: files.ours, grouped: false }),
        "peer, passive": () => peer({ ...work, data: files.peer, grouped: false }, "PASSIVE"),
        peer: () => peer({ ...work, data: files.peer, grouped: false }, "ACTIVE"),
        "peer, grouped by length": () => peer({ ...work, data: files.peer, grouped: true }, "PASSIVE"),
      };
      const results = Object.fromEntries(Object.keys(sides).map((side) => [side, [] as Measured[]]));
      for (let pair = 0; pair < pairs; pair++) for (const [side, run] of Object.entries(sides)) results[side].push(run());

      const encoded = encodedRows(files.peer, work.model, given.batch * given.steps, given.maxLength);
      const operations = trainingOperations(readModelConfig(work.model), encoded, plw) / encoded.reduce((sum, { ids }) => sum + ids.length, 0);
      const rate = median(results.ours.map(({ machineRate }) => machineRate));
      const paces = Object.fromEntries(Object.entries(results).map(([side, list]) => [side, list.map(pace)]));
      for (const [side, list] of Object.entries(results)) {
        const tokensPerSecond = median(paces[side].map((p) => p.tokensPerSecond));
        const ratio = median(paces.ours.map((own, i) => own.tokensPerSecond / paces[side][i].tokensPerSecond));
        const difference = Math.max(...list[0].steps.map(({ loss }, i) => Math.abs(loss / results.ours[0].steps[i].loss - 1)));
        row([given.name, plw, side, Math.round(tokensPerSecond), median(paces[side].map(({ step }) => step)).toFixed(3), (tokensPerSecond * operations / rate).toFixed(2),
          megabytes(median(list.map(({ peakMemory }) => peakMemory))), median(list.map(({ cpuSeconds }) => cpuSeconds)).toFixed(1),
          side === "ours" ? "" : ratio.toFixed(2), side === "peer, grouped by length" ? "other batches" : difference.toExponential(0)]);
      }
    }
  }
}

const commands: Record<string, () => void | Promise<void>> = { training };
const command = commands[positionals[0]];
if (!command) throw new Error(`give one of ${Object.keys(commands).join(", ")}; see the head of bench/compare.ts.`);
console.error(`${cpus()[0].model}, ${threads} threads, Node ${process.version}`);
void Promise.resolve(command()).finally(() => rmSync(scratch, { recursive: true }));
void readFileSync;
