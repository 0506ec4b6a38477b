import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { planStudyPruning } from "../analysis/study-pruning";
import { formatBytes } from "../data/format-bytes";
import { pruneRuns } from "../runs/prune";
import { sha256 } from "../data/digest";
import { fileDigest } from "../runs/digests";
import { readJsonIfAny, writeFileAtomic } from "../runs/files";
import { repositoryRoot } from "../data/repository";
import { endOf } from "../data/well-formed";
import { outputsFolder, storePath } from "../runs/paths";
import { progressLine } from "../notebook/progress-text";
import { loadStudy, studyPath } from "../sweep/study-file";
import { withTrainedPlws } from "../sweep/trained-plws";
import { SweepError, sweep, type RunFailureReport, type SweepProgress } from "../sweep/sweep";
import type { Run } from "../runs/store";
import { say } from "./terminal";
import { countOf, pathOf, type Answer, type Values } from "./values";
import { Interrupted } from "../data/errors";

/** Notebooks at once: each has a kernel of its own, and waits a good part of its time. */
const AT_ONCE = 2;

interface Executed {
  notebook: string;
  seconds: number;
  error?: string;
}

export async function run(values: Values, signal: AbortSignal): Promise<Answer> {
  const started = performance.now();
  const study = studyPath(pathOf(values, "study"));
  const store = storePath(pathOf(values, "store"));
  const outputs = pathOf(values, "out") ?? outputsFolder();
  const wanted = withTrainedPlws(loadStudy(study), store);
  const out = join(outputs, wanted.name);
  const show = progressLine();
  let last: SweepProgress | undefined;
  const { runs, failures } = await collected(
    sweep({
      study: wanted,
      store,
      workers: countOf(values, "workers"),
      signal,
      onProgress: (progress) => {
        last = progress;
        show(progress);
      },
    }),
  );
  const cached = last?.cached ?? 0;
  const sweepSeconds = (performance.now() - started) / 1000;
  say(
    `${runs.length} runs complete, ${runs.length - cached} trained now, in ${sweepSeconds.toFixed(0)} s. ` +
      "Next: the notebooks.",
  );

  const inputs = inputsDigest(study, runs);
  const current = isCurrent(out, inputs);
  if (current) say("The notebooks are up to date: nothing they depend on has changed.");
  const notebooks = current
    ? []
    : await executeAll(
        join(out, "notebooks"),
        { PROMPTLOSS_STUDY: study, PROMPTLOSS_RUNS: store, PROMPTLOSS_OUT: outputs },
        signal,
      );
  const broken = notebooks.filter(({ error }) => error !== undefined);
  if (!current && broken.length === 0)
    writeFileAtomic(stampFile(out), JSON.stringify({ inputs, outputs: outputsDigest(out) }));
  const plan = wanted.retain === "scores" && broken.length === 0 ? await planStudyPruning(wanted, runs) : undefined;
  const pruned = plan ? await pruneRuns(plan) : { runs: 0, bytes: 0, kept: [] };
  const kept = (plan?.kept ?? [])
    .filter(({ run }) => !run.pruned)
    .map(({ run, reason }) => ({ name: run.name, reason }));
  const seconds = (performance.now() - started) / 1000;
  const peakMemory = Math.max(
    process.resourceUsage().maxRSS * 1024,
    ...runs.map(({ record }) => record.peakMemory ?? 0),
  );
  const text = [
    ...failures.map(({ run, message }) => `Failed: ${run}: ${message}`),
    ...broken.map(({ notebook, error }) => `Failed: ${notebook}: ${error}`),
    `Study ${study}: ${runs.length} runs (${runs.length - cached} trained now, ${cached} from the store) and ` +
      `${current ? "no notebook to execute" : `${notebooks.length} notebooks`} in ${seconds.toFixed(0)} s; ` +
      `largest process ${(peakMemory / 2 ** 20).toFixed(0)} MiB.`,
    ...[...kept, ...pruned.kept].map(({ name, reason }) => `Parameters kept: ${name}: ${reason}`),
    ...(pruned.runs > 0 ? [`Deleted the parameters of ${pruned.runs} runs: ${formatBytes(pruned.bytes)}.`] : []),
    `Figures: ${join(out, "figures")}\nNotebooks with their results: ${join(out, "notebooks")}\nRuns: ${store}`,
  ].join("\n");
  return {
    text,
    failed: failures.length + broken.length > 0,
    result: {
      study,
      runs: runs.length,
      cached,
      trained: runs.length - cached,
      failures,
      notebooks,
      seconds,
      sweepSeconds,
      peakMemory,
      pruned,
      figures: join(out, "figures"),
      store,
    },
  };
}

/** The notebooks show what there is, even if some runs failed. */
async function collected(sweeping: Promise<Run[]>): Promise<{ runs: Run[]; failures: RunFailureReport[] }> {
  try {
    return { runs: await sweeping, failures: [] };
  } catch (error) {
    if (!(error instanceof SweepError) || error.runs.length === 0) throw error;
    return { runs: error.runs, failures: error.failures };
  }
}

const stampFile = (out: string) => join(out, "study.json");

/** Of all that decides what the notebooks show: their text, the code, the study, the runs and their weights. */
function inputsDigest(study: string, runs: readonly Run[]): string {
  const root = repositoryRoot();
  const code = ["lib", "kernel", "notebooks"]
    .flatMap((folder) => filesBelow(join(root, folder)))
    .filter((path) => /\.(ts|cjs|ipynb)$/.test(path));
  return sha256(
    ...[...code, join(root, "package-lock.json"), study].map((path) => `${path} ${fileDigest(path)}`),
    ...runs.map(({ id, name, record }) => `${id} ${name} ${record.weights?.sha256}`),
  );
}

/** Of the executed notebooks and exported figures: one that was removed or changed is made again. */
function outputsDigest(out: string): string {
  return sha256(
    ...["notebooks", "figures"]
      .flatMap((folder) => filesBelow(join(out, folder)))
      .map((path) => `${path} ${fileDigest(path)}`),
  );
}

function isCurrent(out: string, inputs: string): boolean {
  const stamp = readJsonIfAny(stampFile(out)) as { inputs?: unknown; outputs?: unknown } | null | undefined;
  return stamp?.inputs === inputs && stamp.outputs === outputsDigest(out);
}

function filesBelow(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .sort();
}

async function executeAll(folder: string, env: Record<string, string>, signal: AbortSignal): Promise<Executed[]> {
  mkdirSync(folder, { recursive: true });
  const waiting = readdirSync(join(repositoryRoot(), "notebooks"))
    .filter((name) => name.endsWith(".ipynb"))
    .sort();
  const done: Executed[] = [];
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (let notebook; !signal.aborted && (notebook = waiting.shift());) {
        const started = performance.now();
        const error = await execute(notebook, folder, env, signal);
        const seconds = (performance.now() - started) / 1000;
        done.push({ notebook, seconds, ...(error !== undefined && { error }) });
        say(`${notebook}: ${error === undefined ? "done" : "failed"} in ${seconds.toFixed(0)} s`);
      }
    }),
  );
  if (signal.aborted) throw new Interrupted("The study was stopped; all runs are kept, the same command continues.");
  return done.sort((a, b) => (a.notebook < b.notebook ? -1 : 1));
}

/** Runs a notebook without JupyterLab; returns what went wrong, if anything. */
function execute(
  notebook: string,
  folder: string,
  env: Record<string, string>,
  signal: AbortSignal,
): Promise<string | undefined> {
  const root = repositoryRoot();
  return new Promise((resolve) => {
    const child = spawn(
      join(root, ".venv", "bin", "jupyter"),
      [
        "nbconvert",
        "--to",
        "notebook",
        "--execute",
        join(root, "notebooks", notebook),
        "--output-dir",
        folder,
        "--ExecutePreprocessor.kernel_name=promptloss",
        "--ExecutePreprocessor.timeout=-1",
      ],
      {
        cwd: root,
        env: { ...process.env, ...env },
        stdio: ["ignore", "ignore", "pipe"],
        signal,
        killSignal: "SIGTERM",
      },
    );
    let errors = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      errors = endOf(errors + text, 3000);
    });
    child.on("error", (error) => resolve(error.message));
    child.on("close", (code) => resolve(code === 0 ? undefined : errors.trim() || `ended with code ${code}`));
  });
}
