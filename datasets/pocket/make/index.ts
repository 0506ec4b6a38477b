/**
 * Rebuilds the pocket data: `node --import tsx datasets/pocket/make/index.ts data|models`.
 * `data` writes tokenizer, instruction sets, conversations and benchmarks. `models` pre-trains the two pocket models in parallel, each
 * in a single-threaded process, because floating-point sums depend on the thread count.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { makeData, writeFiles } from "./data";
import { POCKET_MODELS, pretrain } from "./pretrain";

const ROOT = join(__dirname, "..");

async function trainBoth(): Promise<void> {
  const env = {
    ...process.env,
    TF_NUM_INTRAOP_THREADS: "1",
    TF_NUM_INTEROP_THREADS: "1",
    OMP_NUM_THREADS: "1",
    CUDA_VISIBLE_DEVICES: "-1",
  };
  await Promise.all(
    Object.keys(POCKET_MODELS).map(async (name) => {
      const [code] = await once(
        spawn(process.execPath, ["--import", "tsx", __filename, name], { env, stdio: "inherit" }),
        "exit",
      );
      if (code !== 0) throw new Error(`pre-training ${name} ended with exit status ${String(code)}`);
    }),
  );
}

async function main(target = ""): Promise<void> {
  if (target === "data") {
    const files = makeData();
    writeFiles(files, ROOT);
    console.log(`${files.size} files written below ${ROOT}`);
  } else if (target === "models") await trainBoth();
  else if (target in POCKET_MODELS) pretrain(target, ROOT);
  else throw new Error(`unknown target "${target}"; use "data" or "models"`);
}

main(process.argv[2]).catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
