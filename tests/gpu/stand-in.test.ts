// The GPU path with a stand-in for the driver and the CUDA libraries, which computes nothing: it shows what registers, on
// which device operations run and how often values are copied, not what is computed.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { QUICK, temporaryFolder, tinyExamples, tinyModel, writeJson } from "../runs/world";

/** The folder that prepare.sh has made. */
const prepared = process.env.PROMPTLOSS_STAND_IN;
const skip = prepared ? false : "needs a folder made by tests/gpu/prepare.sh, in PROMPTLOSS_STAND_IN";

const dir = temporaryFolder();
const checkout = join(__dirname, "..", "..");
if (prepared)
  for (const folder of ["lib", "tests"]) {
    rmSync(join(prepared, folder), { recursive: true, force: true });
    cpSync(join(checkout, folder), join(prepared, folder), { recursive: true });
  }

/** Runs a program of the prepared checkout with stand-in GPUs; `log` has the lines that the stand-in writes. */
function runWithGpus(program: string[], environment: Record<string, string> = {}) {
  const logFile = join(dir, "log");
  rmSync(logFile, { force: true });
  const { stdout, stderr, status } = spawnSync(process.execPath, ["--import", "tsx", ...program], {
    cwd: prepared,
    encoding: "utf8",
    maxBuffer: 2 ** 28,
    env: {
      ...process.env,
      LD_LIBRARY_PATH: join(prepared!, "driver"),
      CUDA_VISIBLE_DEVICES: "0",
      STAND_IN_LOG: logFile,
      ...environment,
    },
  });
  assert.equal(status, 0, stderr.slice(-4000));
  return { stdout, stderr, log: existsSync(logFile) ? readFileSync(logFile, "utf8").trim().split("\n") : [] };
}

/** Runs exercise.ts; returns what it prints, and for each part the devices of its operations. */
function exercise(layers: number, planted = "") {
  const program = [join("tests", "gpu", "exercise.ts"), join(dir, `exercise-${layers}`), String(layers), planted];
  const logged = { TF_CPP_MIN_LOG_LEVEL: "0", TF_CPP_VMODULE: "execute=1" };
  const { stdout, stderr } = runWithGpus(program, logged);
  const parts = new Map(
    stderr
      .split(/^== /m)
      .slice(1)
      .map((text): [string, string[]] => [
        text.split("\n")[0],
        [...text.matchAll(/Executing op (\w+) in device \S*device:(\w+:\d+)/g)].map(([, op, at]) => `${op} on ${at}`),
      ]),
  );
  type Printed = { device: string; steps: string[][]; tokens: string[][]; peaks: [number, number] };
  return { ...(JSON.parse(stdout) as Printed), parts };
}

const elsewhere = (operations: string[] = []) =>
  [...new Set(operations)].filter((place) => !place.endsWith("on GPU:0"));

const STATE = 'console.log(JSON.stringify(require("./lib/model/gpu").gpuState()))';

test(
  "a GPU registers with the libraries where pip puts them and set-up links them, and not without the link",
  { skip },
  () => {
    const state = () => JSON.parse(runWithGpus(["-e", STATE]).stdout) as unknown;
    assert.deepEqual(state(), { gpus: ["0"] });
    const python = join(prepared!, ".venv", "lib");
    const link = join(
      python,
      readdirSync(python)[0],
      "site-packages",
      "nvidia",
      "cusparse",
      "lib",
      "libcusolver.so.11",
    );
    renameSync(link, `${link}.away`);
    try {
      const problem =
        "TensorFlow does not find libcusolver.so.11, so everything is computed on the CPU. " +
        "Type npm run setup, which puts them in place.";
      assert.deepEqual(state(), { gpus: ["0"], problem });
    } finally {
      renameSync(`${link}.away`, link);
    }
  },
);

test("every operation runs on the GPU, except those that write TensorBoard's file", { skip }, () => {
  const { device, parts, peaks } = exercise(2, "planted");
  assert.equal(device, "GPU");
  // the allocator's own count: a tensor of 64 MiB, then what was there before
  assert.ok(peaks[0] >= 2 ** 26 && peaks[0] < 2 ** 27, `${peaks[0]}`);
  assert.ok(peaks[1] > 0 && peaks[1] < 2 ** 24, `${peaks[1]}`);
  for (const part of ["start", "training", "scoring", "generation"]) {
    assert.ok(parts.get(part)!.length > 10, part);
    assert.deepEqual(elsewhere(parts.get(part)), [], part);
  }
  assert.ok(parts.get("checkpoint")!.includes("DeepCopy on GPU:0"));
  assert.deepEqual(elsewhere(parts.get("checkpoint")), []);
  assert.deepEqual(
    elsewhere(parts.get("TensorBoard")).sort(),
    ["CloseSummaryWriter", "CreateSummaryFileWriter", "SummaryWriter", "WriteScalarSummary"].map(
      (op) => `${op} on CPU:0`,
    ),
  );
  // an operation without a GPU kernel is found
  assert.deepEqual(elsewhere(parts.get("planted")), ["StringLength on CPU:0"]);
});

test("a step and a token copy to and from the GPU as often with 12 layers as with 2", { skip }, () => {
  const counts = [2, 12].map((layers) => {
    const { steps, tokens } = exercise(layers);
    return [steps, tokens].map((lines) => {
      const number = (event: string) => lines.at(-1)!.filter((line) => line.startsWith(event)).length;
      return { uploads: number("upload"), reads: number("read") };
    });
  });
  const each = [
    { uploads: 4, reads: 1 },
    { uploads: 4, reads: 1 },
  ];
  assert.deepEqual(counts, [each, each]);
});

test("of two GPUs, each worker of a sweep sees its own", { skip }, () => {
  const model = tinyModel(join(dir, "model"), 1);
  const examples = writeJson(join(dir, "rows.json"), tinyExamples(8, 1));
  const study = writeJson(join(dir, "study.json"), {
    name: "gpus",
    models: { m: model },
    datasets: { d: { path: examples } },
    plws: [0, 0.1, 0.5, 1],
    hyperparameters: { ...QUICK, maxSteps: 40 },
  });
  const script = `
    const { sweep } = require("./lib/sweep/sweep");
    const { loadStudy } = require("./lib/sweep/study-file");
    sweep({ study: loadStudy(${JSON.stringify(study)}), store: ${JSON.stringify(join(dir, "runs"))} })
      .then((runs) => console.log(runs.map(({ recipe }) => recipe.device).join()));`;
  const { stdout, log } = runWithGpus(["-e", script], { CUDA_VISIBLE_DEVICES: "0,1" });
  assert.equal(stdout.trim(), "GPU,GPU,GPU,GPU");
  // one process finds out whether they register, and opens both; then come two workers
  assert.deepEqual(log.filter((line) => line.startsWith("open")).sort(), ["open 0", "open 0", "open 1", "open 1"]);
});

test("a GPU is shared by as many workers as its memory allows", { skip }, () => {
  const tools = join(dir, "tools");
  mkdirSync(tools);
  writeFileSync(join(tools, "nvidia-smi"), '#!/bin/sh\necho "16000 MiB"\n', { mode: 0o755 });
  const script = `
    const { planWorkers } = require("./lib/workers/plan");
    const plan = (parameters, perGpu) =>
      planWorkers(Array(20).fill({ threads: 1, device: "GPU", parameters }), undefined, perGpu).workers;
    console.log([plan(1e6, 4), plan(135e6, 4), plan(3e9, 4), plan(135e6)].join());`;
  const visible = { CUDA_VISIBLE_DEVICES: "0,1", PATH: `${tools}:${process.env.PATH}` };
  // 12.5 GiB are used of each; a worker takes 0.5 GB and 24 bytes a parameter, and there is always one
  assert.equal(runWithGpus(["-e", script], visible).stdout.trim(), "8,6,2,2");
});
