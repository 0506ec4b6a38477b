// Compares our side with the peer on the same work, alternating between them. README.md reports the results.
//
//   npm run bench -- training|sweep|inference|growth [--cases a,b,c] [--pairs 3] [--threads 2]
//     [--adapter: training of LoRA, compared with PEFT] [--plws 0,0.1] [--waiting passive,active: how the peer's idle threads wait, OMP_WAIT_POLICY]
//     [--precision float32|bfloat16: of ours, beside ours in float32, and of the peer by autocast]
//     --python PYTHON --peer hf_plw.py --models DIR --data ALPACA.json
//
// The last four options default to PROMPTLOSS_BENCH_{PYTHON,PEER,MODELS,DATA}. PYTHON needs torch and transformers; DIR
// contains a folder for each model of cases.ts.
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { readExamples } from "../lib/data/example";
import { PAPER_WEIGHTS } from "../lib/data/prompt-loss-weight";
import { readModelConfig } from "../lib/model/config";
import { repositoryRoot } from "../lib/data/repository";
import {
  ADAPTER,
  GROWTH,
  TRAINING,
  WARM_UP,
  encodedRows,
  trainingFiles,
  trainingOperations,
  type Case,
  type Measured,
} from "./cases";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    python: { type: "string", default: process.env.PROMPTLOSS_BENCH_PYTHON },
    peer: { type: "string", default: process.env.PROMPTLOSS_BENCH_PEER },
    models: { type: "string", default: process.env.PROMPTLOSS_BENCH_MODELS },
    data: { type: "string", default: process.env.PROMPTLOSS_BENCH_DATA },
    cases: { type: "string", default: "a,b,c" },
    pairs: { type: "string", default: "3" },
    threads: { type: "string", default: String(availableParallelism()) },
    plws: { type: "string", default: "0,0.1" },
    waiting: { type: "string", default: "passive,active" },
    adapter: { type: "boolean", default: false },
    precision: { type: "string", default: "float32" },
  },
});
const option = (name: "python" | "peer" | "models" | "data"): string => {
  const value = values[name];
  if (value === undefined) throw new Error(`--${name} is missing; the usage is at the top of bench/compare.ts`);
  return name === "python" ? value : resolve(value);
};
const threads = Number(values.threads);
const pairs = Number(values.pairs);
const scratch = mkdtempSync(join(tmpdir(), "promptloss-bench-"));
const model = (name: string) => join(option("models"), name);

/**
 * Runs a process and parses the last line of its output as JSON. Each measurement has its own process, so that no
 * measurement warms up another.
 */
function measure(command: string, args: string[], environment: Record<string, string>): Measured {
  const output = execFileSync(command, args, {
    encoding: "utf8",
    maxBuffer: 1 << 28,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...environment },
  });
  return JSON.parse(output.trimEnd().split("\n").at(-1)!) as Measured;
}

function caseFile(work: Case): string {
  const file = join(scratch, "case.json");
  writeFileSync(file, JSON.stringify(work));
  return file;
}

if (!["float32", "bfloat16"].includes(values.precision))
  throw new Error(`--precision: float32 or bfloat16, not ${values.precision}`);
const precision = values.precision as "float32" | "bfloat16";
const ours = (work: Case) =>
  measure(process.execPath, [...process.execArgv, join(__dirname, "ours.ts"), caseFile(work)], {
    PROMPTLOSS_PRECISION: "precision" in work ? work.precision : precision,
    TF_NUM_INTRAOP_THREADS: String(threads),
    TF_NUM_INTEROP_THREADS: "1",
    OMP_NUM_THREADS: String(threads),
  });
const peer = (work: Case, waiting: string) =>
  measure(option("python"), [join(__dirname, "peer.py"), option("peer"), caseFile(work)], peerEnvironment(waiting));
const peerEnvironment = (waiting: string) => ({
  OMP_NUM_THREADS: String(threads),
  ...(waiting === "passive" && { OMP_WAIT_POLICY: "PASSIVE" }),
});
/** One peer side for each way in which idle threads wait. */
const peers = <T>(run: (waiting: string) => T) =>
  Object.fromEntries(values.waiting.split(",").map((waiting) => [`peer, ${waiting}`, () => run(waiting)]));

const median = (numbers: number[]): number => {
  const sorted = [...numbers].sort((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
};
const row = (cells: (string | number)[]) => console.log(`| ${cells.join(" | ")} |`);
const header = (cells: string[]) => {
  row(cells);
  row(cells.map(() => "---"));
};
const megabytes = (bytes: number) => Math.round(bytes / 2 ** 20);

/** Throughput over the steps after the warm-up, and the median duration of a step in seconds. */
function throughput({ steps }: Measured): { tokensPerSecond: number; step: number } {
  const counted = steps.slice(WARM_UP);
  const sum = (key: "tokens" | "seconds") => counted.reduce((total, step) => total + step[key], 0);
  return { tokensPerSecond: sum("tokens") / sum("seconds"), step: median(counted.map(({ seconds }) => seconds)) };
}

function training(): void {
  header([
    "case",
    "PLW",
    "side",
    "tokens/s",
    "s per step",
    "share of the matrix-product rate",
    "peak MB",
    "CPU s",
    "ours / peer",
    "loss differs by",
  ]);
  const names = values.cases.split(",");
  for (const trainingCase of TRAINING.filter(({ name }) => names.includes(name)))
    for (const plw of values.plws.split(",").map(Number)) trainingRows(trainingCase, plw);
}

const GROUPED = "peer, grouped by length";
const COMPILED = "peer, grouped, compiled, fused AdamW";

/** Measures one training case at one PLW and prints a row per side. */
function trainingRows(trainingCase: (typeof TRAINING)[number], plw: number): void {
  const { name, batch, maxLength, steps } = trainingCase;
  const files = trainingFiles(scratch, option("data"), trainingCase);
  const work = {
    kind: "training",
    model: model(trainingCase.model),
    plw,
    batch,
    microBatch: batch,
    maxLength,
    learningRate: 1e-4,
    threads,
    precision,
    compiled: false,
    ...(values.adapter && { adapter: ADAPTER }),
  } as const;
  const results = alternate({
    ours: () => ours({ ...work, data: files.ours, grouped: false }),
    ...(precision === "bfloat16" && {
      "ours, float32": () => ours({ ...work, data: files.ours, grouped: false, precision: "float32" }),
    }),
    ...peers((waiting) => peer({ ...work, data: files.peer, grouped: false }, waiting)),
    [GROUPED]: () => peer({ ...work, data: files.peer, grouped: true }, "passive"),
    [COMPILED]: () => peer({ ...work, data: files.peer, grouped: true, compiled: true }, "passive"),
  });
  const encoded = encodedRows(files.peer, work.model, batch * steps, maxLength);
  const operationsPerToken =
    trainingOperations(readModelConfig(work.model), encoded, plw) /
    encoded.reduce((sum, { ids }) => sum + ids.length, 0);
  const rate = median(results.ours.map(({ machineRate }) => machineRate));
  const ourThroughputs = results.ours.map(throughput);
  for (const [side, measurements] of Object.entries(results)) {
    const throughputs = measurements.map(throughput);
    const tokensPerSecond = median(throughputs.map((result) => result.tokensPerSecond));
    const ratio = median(ourThroughputs.map((result, i) => result.tokensPerSecond / throughputs[i].tokensPerSecond));
    // An adapter's initial values differ, and so do all losses after the first.
    const compared = measurements[0].steps.slice(0, values.adapter ? 1 : undefined);
    const difference = Math.max(...compared.map(({ loss }, i) => Math.abs(loss / results.ours[0].steps[i].loss - 1)));
    row([
      name,
      plw,
      side,
      Math.round(tokensPerSecond),
      median(throughputs.map(({ step }) => step)).toFixed(3),
      ((tokensPerSecond * operationsPerToken) / rate).toFixed(2),
      megabytes(median(measurements.map(({ peakMemory }) => peakMemory))),
      median(measurements.map(({ cpuSeconds }) => cpuSeconds)).toFixed(1),
      side === "ours" ? "" : ratio.toFixed(2),
      side === GROUPED || side === COMPILED ? "other batches" : difference.toExponential(0),
    ]);
  }
}

/** Runs all sides in turn, `pairs` times, and collects each side's results. */
function alternate(sides: Record<string, () => Measured>): Record<string, Measured[]> {
  const results = Object.fromEntries(Object.keys(sides).map((side) => [side, [] as Measured[]]));
  for (let pair = 0; pair < pairs; pair++) for (const [side, run] of Object.entries(sides)) results[side].push(run());
  return results;
}

/** A sweep over the paper's ten PLWs, from start-up of the processes until the last run's files are written. */
async function sweep(): Promise<void> {
  const [{ model: modelName, batch, maxLength }] = TRAINING;
  const data = join(scratch, "sweep.json");
  writeFileSync(data, JSON.stringify(readExamples(option("data")).slice(0, 1000)));
  const settings = {
    batchSize: batch,
    microBatchSize: batch,
    maxLength,
    learningRate: 1e-3,
    epochs: 1,
  };
  const study = join(scratch, "study.json");
  writeFileSync(
    study,
    JSON.stringify({
      name: "bench",
      models: { a: model(modelName) },
      datasets: { rows: { path: data } },
      plws: PAPER_WEIGHTS,
      hyperparameters: settings,
    }),
  );
  const ourArguments = () => [
    ...process.execArgv,
    join(repositoryRoot(), "lib", "cli.ts"),
    "sweep",
    ...["--study", study],
    ...["--store", mkdtempSync(join(scratch, "store-"))],
    "--json",
  ];
  const peerArguments = () => [
    option("peer"),
    ...["--model", model(modelName)],
    ...["--data", data],
    ...["--sweep", PAPER_WEIGHTS.join()],
    ...["--normalizer", "weights"],
    ...["--epochs", "1"],
    ...["--batch-size", String(batch)],
    ...["--lr", "1e-3"],
    ...["--max-length", String(maxLength)],
    ...["--threads", String(threads)],
    ...["--out", mkdtempSync(join(scratch, "peer-"))],
  ];
  const sides: Record<string, () => Promise<TreeUsage>> = {
    ours: () => measureTree(process.execPath, ourArguments(), {}),
    ...peers((waiting) => measureTree(option("python"), peerArguments(), peerEnvironment(waiting))),
  };
  const results = Object.fromEntries(Object.keys(sides).map((side) => [side, [] as TreeUsage[]]));
  for (let pair = 0; pair < pairs; pair++)
    for (const [side, run] of Object.entries(sides)) results[side].push(await run());
  header(["case", "side", "wall s", "peak MB, all processes", "CPU s", "peer / ours"]);
  for (const [side, list] of Object.entries(results)) {
    row([
      "d",
      side,
      median(list.map(({ seconds }) => seconds)).toFixed(1),
      megabytes(median(list.map(({ peakMemory }) => peakMemory))),
      median(list.map(({ cpuSeconds }) => cpuSeconds)).toFixed(0),
      side === "ours" ? "" : median(list.map(({ seconds }, i) => seconds / results.ours[i].seconds)).toFixed(2),
    ]);
  }
}

/** Resources used by a process and its descendants. */
interface TreeUsage {
  /** wall time */
  seconds: number;
  /** bytes, summed over all processes alive at the same time */
  peakMemory: number;
  cpuSeconds: number;
}

/** Runs a process and samples the memory and CPU time of it and all its descendants five times a second. */
async function measureTree(command: string, args: string[], environment: Record<string, string>): Promise<TreeUsage> {
  const started = performance.now();
  const child = spawn(command, args, {
    stdio: ["ignore", "ignore", "pipe"],
    cwd: repositoryRoot(),
    env: { ...process.env, ...environment },
  });
  let errors = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    errors += text;
  });
  let peakMemory = 0;
  const cpuSecondsByPid = new Map<number, number>();
  const sampling = setInterval(() => {
    const tree = descendants(child.pid!);
    peakMemory = Math.max(
      peakMemory,
      tree.reduce((sum, { memory }) => sum + memory, 0),
    );
    for (const { pid, cpuSeconds } of tree) cpuSecondsByPid.set(pid, cpuSeconds);
  }, 200);
  const code = await new Promise((resolve) => {
    child.on("close", resolve);
  });
  clearInterval(sampling);
  if (code !== 0) throw new Error(`${command} ${args.join(" ")} ended with ${String(code)}\n${errors.slice(-2000)}`);
  return {
    seconds: (performance.now() - started) / 1000,
    peakMemory,
    cpuSeconds: [...cpuSecondsByPid.values()].reduce((a, b) => a + b, 0),
  };
}

/** A process and all its descendants, from Linux' /proc; assumes pages of 4 KiB and 100 ticks per second. */
function descendants(root: number): { pid: number; memory: number; cpuSeconds: number }[] {
  const processes = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const fields = readFileSync(`/proc/${name}/stat`, "utf8")
          .replace(/^.*\) /s, "")
          .split(" ");
        return [
          {
            pid: Number(name),
            parent: Number(fields[1]),
            cpuSeconds: (Number(fields[11]) + Number(fields[12])) / 100,
            memory: Number(fields[21]) * 4096,
          },
        ];
      } catch {
        return []; // the process has just ended
      }
    });
  const inside = new Set([root]);
  for (let before = 0; before < inside.size;) {
    before = inside.size;
    for (const { pid, parent } of processes) if (inside.has(parent)) inside.add(pid);
  }
  return processes.filter(({ pid }) => inside.has(pid));
}

/** Greedy generation and log-likelihoods with the model of case (b). */
function inference(): void {
  const settings = { model: model(TRAINING[1].model), batch: 16, threads };
  const rows = encodedRows(option("data"), settings.model, 256, 256);
  const cases: Record<string, Case> = {
    generation: {
      ...settings,
      kind: "generation",
      newTokens: 128,
      prompts: rows.slice(0, 64).map(({ ids, promptLength }) => ids.slice(0, promptLength)),
    },
    scoring: { ...settings, kind: "scoring", rows },
  };
  header(["case", "side", "tokens/s", "peak MB", "CPU s", "ours / peer", "results agree"]);
  for (const [name, work] of Object.entries(cases)) {
    const results = alternate({ ours: () => ours(work), ...peers((waiting) => peer(work, waiting)) });
    for (const [side, list] of Object.entries(results)) {
      const rate = ({ tokens, seconds }: Measured) => tokens / seconds;
      row([
        name,
        side,
        Math.round(median(list.map(rate))),
        megabytes(median(list.map(({ peakMemory }) => peakMemory))),
        median(list.map(({ cpuSeconds }) => cpuSeconds)).toFixed(1),
        side === "ours" ? "" : median(list.map((result, i) => rate(results.ours[i]) / rate(result))).toFixed(2),
        agreement(results.ours[0].results, list[0].results),
      ]);
    }
  }
}

/** Largest difference of log-likelihoods, or the number of identical texts. */
function agreement(ours: unknown[], theirs: unknown[]): string {
  if (typeof ours[0] === "number") {
    const differences = (ours as number[]).map((value, i) => Math.abs(value - (theirs as number[])[i]));
    return `to ${Math.max(...differences).toExponential(0)}`;
  }
  const same = ours.filter((ids, i) => JSON.stringify(ids) === JSON.stringify(theirs[i]));
  return `${same.length} of ${ours.length} texts`;
}

/**
 * Our side alone: throughput, operations per second and memory by sequence length, batch size and number of parameters.
 * The figure's files are written next to this file.
 */
async function growth(): Promise<void> {
  const points = GROWTH.map(({ factor, value, config, length, batch }) => {
    const measured = ours({ kind: "growth", config, length, batch, threads });
    const { tokensPerSecond } = throughput(measured);
    const rows = Array.from({ length: batch }, () => ({
      ids: new Array<number>(length).fill(0),
      promptLength: length >> 1,
    }));
    const rate = (tokensPerSecond * trainingOperations(config, rows, 0.1)) / (batch * length);
    const point = {
      factor,
      value,
      tokensPerSecond,
      gigaflops: rate / 1e9,
      share: rate / measured.machineRate,
      megabytes: megabytes(measured.peakMemory),
    };
    console.error(JSON.stringify(point));
    return point;
  });
  const { exportFigure } = await import("../lib/export/export");
  const { growthFigure } = await import("./growth-figure");
  await exportFigure(growthFigure(points), join(__dirname, "growth"));
}

const commands: Record<string, () => void | Promise<void>> = { training, sweep, inference, growth };
const command = commands[positionals[0]];
if (!command) {
  const names = Object.keys(commands).join(", ");
  throw new Error(`the first argument must be one of ${names}; the usage is at the top of bench/compare.ts`);
}
console.error(`${cpus()[0].model}, ${threads} threads, Node ${process.version}`);
void Promise.resolve(command()).finally(() => rmSync(scratch, { recursive: true }));
