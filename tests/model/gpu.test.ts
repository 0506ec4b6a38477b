import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { unregistered } from "../../lib/model/gpu";
import { temporaryFolder, tinyExamples, tinyModel, writeJson, QUICK } from "../runs/world";

test("TensorFlow's messages about a GPU that does not register become a cause and a remedy", () => {
  // as TensorFlow 2.21 writes them
  const library =
    "I0000 00:00:1795766204.346488 26360 dso_loader.cc:144] Could not load dynamic library 'libcusolver.so.11'; " +
    "dlerror: libcusolver.so.11: cannot open shared object file: No such file or directory\n";
  const skipped =
    "W0000 00:00:1795766204.346519 26360 gpu_device.cc:2365] Cannot dlopen some GPU libraries. Please make sure the " +
    "missing libraries mentioned above are installed properly if you would like to use GPU.\n" +
    "Skipping registering GPU devices...\n";
  assert.equal(
    unregistered(library + library + skipped),
    "TensorFlow does not find libcusolver.so.11, so everything is computed on the CPU. " +
      "Type npm run setup, which puts them in place.",
  );
  const driver =
    "E0000 00:00:1795762771.910918 5218 cuda_platform.cc:52] failed call to cuInit: INTERNAL: CUDA error: " +
    "Failed call to cuInit: CUDA_ERROR_NO_DEVICE: no CUDA-capable device is detected\n";
  assert.match(
    unregistered(driver),
    /^the driver does not start \(cuInit: INTERNAL: .*NO_DEVICE.*\), so everything is/,
  );
  assert.match(
    unregistered("anything\nelse\n"),
    /^no GPU registers .* Its last message: else\. .*TF_CPP_MIN_LOG_LEVEL=0/,
  );
});

const build = join(__dirname, "..", "..", ".setup", "build");
const isCpuBuild = existsSync(build) && readFileSync(build, "utf8") === "CPU";
const skip = isCpuBuild ? false : "needs TensorFlow's CPU build, made by npm run setup";

test("a sweep and a training on the CPU of a machine with a GPU say so once, in one loud line", { skip }, () => {
  const dir = temporaryFolder();
  writeFileSync(join(dir, "libcuda.so.1"), ""); // a driver
  const examples = writeJson(join(dir, "rows.json"), tinyExamples(8, 1));
  const model = tinyModel(join(dir, "model"), 1);
  const train = { model, examples, plw: 0.1, hyperparameters: { ...QUICK, maxSteps: 1 }, store: join(dir, "runs") };
  const study = {
    name: "gpu",
    models: { m: model },
    datasets: { d: { path: examples } },
    plws: [0, 1],
    hyperparameters: { ...QUICK, maxSteps: 1 },
  };
  const script = `
    const { train } = require("./lib/train/train");
    const { sweep } = require("./lib/sweep/sweep");
    const { loadStudy } = require("./lib/sweep/study-file");
    sweep({ study: loadStudy(${JSON.stringify(writeJson(join(dir, "study.json"), study))}), store: ${JSON.stringify(join(dir, "runs"))} })
      .then((runs) => train(${JSON.stringify(train)}).then((run) => console.log(runs.length + 1, run.recipe.device)));`;
  const run = (visible: string) =>
    spawnSync(process.execPath, ["--import", "tsx", "-e", script], {
      cwd: join(__dirname, "..", ".."),
      encoding: "utf8",
      env: { ...process.env, LD_LIBRARY_PATH: dir, CUDA_VISIBLE_DEVICES: visible },
    });
  const { stdout, stderr } = run("0");
  assert.equal(stdout.trim(), "3 CPU", stderr);
  assert.deepEqual(stderr.match(/^THE GPU IS NOT USED: .*$/gm), [
    "THE GPU IS NOT USED: TensorFlow's CPU build is installed, so everything is computed on the CPU. " +
      "For the GPU, type: PROMPTLOSS_CUDA=1 npm run setup",
  ]);
  assert.doesNotMatch(run("-1").stderr, /THE GPU/);
});
