import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { availableParallelism, freemem, totalmem } from "node:os";
import { join } from "node:path";
import { closeBrowser, withPage } from "../export/browser";
import { repositoryRoot } from "../data/repository";
import { RunStore } from "../runs/store";
import { expectedDevice, gpuState } from "../model/gpu";
import { pathOf, type Answer, type Values } from "./values";

interface Check {
  name: string;
  ok: boolean;
  detail: string;
}

const GIB = 2 ** 30;

/** Checks this machine: versions, TensorFlow, memory, kernel, browser, run store. */
export async function run(values: Values): Promise<Answer> {
  const root = repositoryRoot();
  const checks: Check[] = [];
  const check = async (name: string, look: () => string | Promise<string>) => {
    try {
      checks.push({ name, ok: true, detail: await look() });
    } catch (error) {
      checks.push({ name, ok: false, detail: (error as Error).message });
    }
  };
  await check("Node", () => process.versions.node);
  await check("Python", () => {
    const { status, stdout } = spawnSync(join(root, ".venv", "bin", "python"), ["--version"], { encoding: "utf8" });
    if (status !== 0) throw new Error("no .venv: run npm run setup");
    return stdout.trim();
  });
  await check("TensorFlow", async () => {
    const { device, threads, tf } = await import("../model/tensorflow");
    const { fused, operationsLevel } = await import("../model/fused");
    const { kind, tensorflow } = device();
    const sums = tf.tidy(() => {
      const ones = tf.ones([8, 8]);
      const products = [tf.matMul(ones, ones), ...(fused ? [fused.matMul(ones, ones, false, false)] : [])];
      return products.map((product) => tf.sum(product).dataSync()[0]);
    });
    if (sums.some((sum) => sum !== 512)) throw new Error("a matrix product came out wrong: run npm run setup");
    const operations =
      operationsLevel === "TensorFlow" ? "TensorFlow's own operations" : `fused operations for ${operationsLevel}`;
    return `${tensorflow} on the ${kind}, ${threads()} threads in this process; the addon loads; ${operations}`;
  });
  await check("GPU", async () => {
    const { gpus, problem } = gpuState();
    if (problem !== undefined) throw new Error(problem);
    const { kind } = (await import("../model/tensorflow")).device();
    if (kind !== expectedDevice())
      throw new Error(`TensorFlow computes on the ${kind}, but a sweep expects the ${expectedDevice()}`);
    return gpus.length === 0 ? "none is visible" : `${gpus.length} visible, registered with TensorFlow`;
  });
  await check("cores", () => String(availableParallelism()));
  await check("memory", () => `${(totalmem() / GIB).toFixed(1)} GiB, ${(freemem() / GIB).toFixed(1)} GiB free`);
  await check("Jupyter kernel", () => {
    const file = join(root, ".venv", "share", "jupyter", "kernels", "promptloss", "kernel.json");
    if (!existsSync(file)) throw new Error("not registered: run npm run setup");
    return "registered";
  });
  await check("browser for figures", async () => {
    const version = await withPage((page) => Promise.resolve(page.context().browser()?.version()));
    await closeBrowser();
    return `Chromium ${version}`;
  });
  await check("run store", () => {
    const store = new RunStore(pathOf(values, "store"));
    store.prepare();
    return `${store.root}, ${store.list().length} runs`;
  });
  const failed = checks.some(({ ok }) => !ok);
  return {
    text: checks.map(({ name, ok, detail }) => `${ok ? "ok  " : "FAIL"} ${name}: ${detail}`).join("\n"),
    result: { ok: !failed, checks },
    failed,
  };
}
