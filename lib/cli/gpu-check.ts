// Checks and measures what this project computes on the machine's device. Every row is written as soon as it is there.
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { rule } from "../data/validate";
import { repositoryRoot } from "../data/repository";
import { arithmeticVariables, type Arithmetic } from "../model/arithmetic";
import { expectedDevice, warnOfUnusedGpu } from "../model/gpu";
import { gpuHardware } from "../model/gpu-hardware";
import { SIZES, WARM_UP, type Measurement, type PeerPrecision, type Size } from "./gpu-check/cases";
import { program, runProcess, type Ended, type ProcessOptions } from "./gpu-check/processes";
import { say } from "./terminal";
import { UsageError, numberOf, pathOf, programOf, type Answer, type Values } from "./values";

/** One measurement: what it is of, and its numbers, or why there are none. */
type Row = Record<string, unknown> & { part: string };

const FLOAT32: Arithmetic = { precision: "float32", deterministic: false };
const TF32: Arithmetic = { precision: "tf32", deterministic: false };

const duration = rule<number>("a number above 0, of minutes", (x) => typeof x === "number" && x > 0 && x < 1e4);

/** Runs all checks within the time, the most important ones first. */
export async function run(values: Values, signal: AbortSignal): Promise<Answer> {
  const minutes = numberOf(values, "minutes", duration) ?? 7;
  const out = pathOf(values, "out");
  const check = new Check(minutes * 60_000, signal, programOf(values, "python"), out);
  warnOfUnusedGpu();
  await check.all();
  const { rows } = check;
  const failed = rows.some(({ error, ok }) => error !== undefined || ok === false);
  return { text: table(rows), result: { ok: !failed, device: check.device, out: out ?? null, rows }, failed };
}

class Check {
  readonly rows: Row[] = [];
  readonly device = expectedDevice();
  private readonly end: number;
  private readonly sizes: Size[] = SIZES[this.device];
  private readonly precisions: Arithmetic[] = this.device === "GPU" ? [FLOAT32, TF32] : [FLOAT32];

  constructor(
    time: number,
    private readonly signal: AbortSignal,
    private readonly python: string | undefined,
    private readonly out: string | undefined,
  ) {
    this.end = performance.now() + time;
    try {
      if (out !== undefined) writeFileSync(out, "");
    } catch (error) {
      throw new UsageError(`--out: ${(error as Error).message}`);
    }
  }

  async all(): Promise<void> {
    if (this.device === "GPU") this.add({ part: "hardware", ...gpuHardware() });
    await this.doctor();
    for (const arithmetic of this.precisions) await this.measure({ part: "parity" }, arithmetic, 60);
    if (this.python === undefined)
      this.add({ part: "PyTorch", skipped: "no --python with an interpreter that has PyTorch" });
    for (const size of this.sizes) {
      await this.measure({ part: "training", size }, FLOAT32, 90);
      await this.peer(size, "float32");
    }
    const size = this.sizes.at(this.device === "GPU" ? 1 : -1)!;
    const batch = this.device === "GPU" ? { prompts: 32, rows: 64 } : { prompts: 8, rows: 16 };
    await this.measure(
      { part: "generation", size, prompts: batch.prompts, promptLength: 32, newTokens: 32 },
      FLOAT32,
      40,
    );
    await this.measure({ part: "scoring", size, rows: batch.rows }, FLOAT32, 40);
    await this.measure({ part: "repeat", size: this.sizes[0] }, FLOAT32, 40);
    if (this.device === "GPU")
      await this.measure({ part: "repeat", size: this.sizes[0] }, { ...FLOAT32, deterministic: true }, 40);
    await this.resume();
    const faster: PeerPrecision[] = this.device === "GPU" ? ["tf32", "bfloat16"] : ["bfloat16"];
    for (const size of [...this.sizes].reverse()) {
      if (this.device === "GPU") await this.measure({ part: "training", size }, TF32, 60);
      for (const precision of faster) await this.peer(size, precision);
    }
  }

  private async doctor(): Promise<void> {
    await this.row({ part: "doctor" }, 60, {}, async (options) => {
      const ended = await runProcess(process.execPath, program("lib/cli.ts", "doctor", "--json"), options);
      const checks = ended.json?.checks as { name: string; ok: boolean; detail: string }[] | undefined;
      if (!checks) return ended;
      // A browser and a kernel are for notebooks, which this command does without.
      const needed = checks.filter(({ name }) => !/browser|kernel/.test(name));
      return { json: { ok: needed.every(({ ok }) => ok), checks } };
    });
  }

  private measure(work: Measurement, arithmetic: Arithmetic, seconds: number): Promise<Row> {
    const about = { part: work.part, ...("size" in work && { size: work.size.name }), ...this.named(arithmetic) };
    return this.row(about, seconds, this.variables(arithmetic), (options) => this.process(work, options));
  }

  private process(work: Measurement, options: ProcessOptions): Promise<Ended> {
    return runProcess(process.execPath, program("lib/cli/gpu-check/measure.ts", JSON.stringify(work)), options);
  }

  private async peer(size: Size, precision: PeerPrecision): Promise<void> {
    const { python } = this;
    if (python === undefined) return;
    const work = JSON.stringify({ ...size, precision, warmUp: WARM_UP, device: this.device });
    await this.row({ part: "PyTorch", size: size.name, precision }, 60, {}, (options) =>
      runProcess(python, [join(repositoryRoot(), "bench", "gpu_peer.py"), work], options),
    );
  }

  /** Trains one run without interruption, and once more with a kill in the middle: whether both end the same. */
  private async resume(): Promise<void> {
    const arithmetic = { ...FLOAT32, deterministic: this.device === "GPU" };
    const about = { part: "kill and resume", ...this.named(arithmetic) };
    await this.row(about, 90, this.variables(arithmetic), async (options) => {
      const dir = mkdtempSync(join(tmpdir(), "promptloss-gpu-check-"));
      try {
        const [whole, killed] = ["whole", "killed"].map((name) => ({
          part: "resume" as const,
          store: join(dir, name),
        }));
        const straight = await this.process(whole, options);
        if (straight.problem) return straight;
        const paused = await this.process({ ...killed, pauseAt: 6 }, { ...options, killAt: "ready to be killed" });
        if (paused.problem) return paused;
        const resumed = await this.process(killed, options);
        if (resumed.problem) return resumed;
        return { json: compared(straight.json!, resumed.json!) };
      } finally {
        rmSync(dir, { recursive: true, force: true });
      }
    });
  }

  private named({ precision, deterministic }: Arithmetic) {
    return this.device === "CPU" ? {} : { precision, ...(deterministic && { deterministic }) };
  }

  private variables(arithmetic: Arithmetic): Record<string, string | undefined> {
    return this.device === "CPU" ? {} : arithmeticVariables(arithmetic);
  }

  /** Adds the row of one piece of work, or why it was not done. */
  private async row(
    about: Row,
    seconds: number,
    variables: Record<string, string | undefined>,
    work: (options: ProcessOptions) => Promise<Ended>,
  ): Promise<Row> {
    const left = this.end - performance.now();
    if (this.signal.aborted) return this.add({ ...about, skipped: "stopped" });
    if (left < 2000) return this.add({ ...about, skipped: "no time left" });
    const started = performance.now();
    const { json, problem } = await work({ limit: Math.min(seconds * 1000, left), signal: this.signal, variables });
    const took = { seconds: (performance.now() - started) / 1000 };
    if (problem !== undefined || json === undefined)
      return this.add({ ...about, error: problem ?? "it printed no result", ...took });
    return this.add({ ...about, ...json, ...took });
  }

  private add(row: Row): Row {
    this.rows.push(row);
    if (this.out !== undefined) appendFileSync(this.out, `${JSON.stringify(row)}\n`);
    say(line(row));
    return row;
  }
}

/** Compares an undisturbed run with one that was killed and continued. */
function compared(straight: Record<string, unknown>, resumed: Record<string, unknown>): Record<string, unknown> {
  const [a, b] = [straight.losses as number[], resumed.losses as number[]];
  const differences = a.map((loss, i) => Math.abs(loss - b[i]) / Math.abs(loss));
  const fromSteps = resumed.fromSteps as number[];
  const equal = straight.sha256 === resumed.sha256;
  const largestLossDifference = Math.max(...differences);
  const ok = fromSteps.at(-1)! > 0 && a.length === b.length && largestLossDifference < 1e-2;
  return { ok, equal, largestLossDifference, fromSteps, device: resumed.device };
}

const table = (rows: readonly Row[]): string => rows.map(line).join("\n");

/** A row for people. */
function line(row: Row): string {
  const { part, size, precision, deterministic, ok, error, skipped } = row;
  const what = [part, size, precision, deterministic && "deterministic"].filter(Boolean).join(", ");
  if (error !== undefined) return `FAIL ${what}: ${String(error)}`;
  if (skipped !== undefined) return `–    ${what}: not done, ${String(skipped)}`;
  return `${ok === false ? "FAIL" : "ok  "} ${what}: ${numbers(row)}`;
}

function numbers(row: Row): string {
  if (row.part === "hardware") return [row.name, row.driver, row.cuda].map(String).join(", ");
  if (row.checks) return failures(row.checks as { name: string; ok: boolean; detail: string }[]);
  if (row.worst) {
    const worst = Object.entries(row.worst as Record<string, number>);
    return `largest relative differences ${worst.map(([name, x]) => `${name} ${x.toExponential(1)}`).join(", ")}`;
  }
  if (row.tokensPerSecond !== undefined) {
    const onDevice = typeof row.deviceMemory === "number";
    const memory = onDevice ? row.deviceMemory : row.processMemory;
    const where = onDevice ? "device" : "process";
    const held = typeof memory === "number" ? `, ${(memory / 2 ** 30).toFixed(2)} GiB of ${where} memory` : "";
    return `${Math.round(row.tokensPerSecond as number)} tokens/s${held}`;
  }
  const { equal, largestDifference, largestLossDifference } = row;
  const difference =
    largestDifference === undefined
      ? `relative difference of losses ${String(largestLossDifference)}`
      : `largest difference of a weight ${String(largestDifference)}`;
  return equal ? "equal, bit by bit" : difference;
}

function failures(checks: { name: string; ok: boolean; detail: string }[]): string {
  const failed = checks.filter(({ ok }) => !ok).map(({ name, detail }) => `${name}: ${detail.split("\n")[0]}`);
  return failed.length === 0 ? "all checks pass" : failed.join("; ");
}
