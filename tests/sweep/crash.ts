// Crashes sweeps for as long as one likes: kills parents, workers, or all of them; fills the disk; sets the clock; runs
// two sweeps on one store, also as if on two machines. Each round ends with one sweep that must complete, with the
// bytes of an undisturbed sweep and every record.
// Usage: node --import tsx tests/sweep/crash.ts [--rounds 20] [--seconds n] [--seed n]
// Full disks need root, to mount a small file system; without, these rounds are killed only.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { seededRandom } from "../../lib/data/random";
import { RunStore } from "../../lib/runs/store";
import { STEPS, crashStudy, exit, results, startSweep, stepsOnRecord, type SweepProcess } from "./crash-world";

/** Options of {@link crash}. */
export interface CrashOptions {
  /** number of rounds; with `seconds`: at most */
  rounds: number;
  /** no round is begun after this time; default: no limit */
  seconds?: number;
  seed: number;
  /** receives a line for each round */
  say: (line: string) => void;
}

/** What happened, by kind. */
type Counts = Record<"parent" | "worker" | "all" | "full disk" | "clock jumps" | "two sweeps", number>;

const OTHER_MACHINE = `--require ${join(__dirname, "other-machine.cjs")}`;
const TWO_YEARS = 2 * 365 * 24 * 60 * 60_000;
/** Size of the file system that is filled: enough for the two runs. */
const DISK = "24m";

/**
 * Runs rounds of crashes.
 * @returns how often each kind happened, and the number of rounds and kills
 * @throws {AssertionError} naming round and seed, if bytes or records differ or a sweep does not complete
 */
export async function crash({ rounds, seconds = Infinity, seed, say }: CrashOptions) {
  const dir = mkdtempSync(join(tmpdir(), "promptloss-crash-"));
  const counts: Counts = { parent: 0, worker: 0, all: 0, "full disk": 0, "clock jumps": 0, "two sweeps": 0 };
  const started = performance.now();
  let round = 0;
  try {
    const study = crashStudy(dir);
    const undisturbed = join(dir, "undisturbed");
    const sweep = startSweep(study, undisturbed, 2);
    assert.equal(await exit(sweep), 0, sweep.output);
    const reference = results(undisturbed);
    assert.equal(stepsOnRecord(undisturbed), STEPS);
    while (round < rounds && (performance.now() - started) / 1000 < seconds) {
      round++;
      const store = join(dir, `round-${round}`);
      mkdirSync(store);
      const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", `size=${DISK}`, "tmpfs", store]).status === 0;
      try {
        const events = await disturb(study, store, seededRandom("crash", seed, round), counts, mounted);
        const last = startSweep(study, store, 2, { NODE_OPTIONS: OTHER_MACHINE, OTHER_CLOCK: String(TWO_YEARS) });
        assert.equal(await exit(last), 0, last.output);
        assert.deepEqual(results(store), reference);
        const attempts = new RunStore(store)
          .list()
          .map(({ record }) => record.attempts.map(({ fromStep }) => fromStep));
        say(
          `round ${round}: ${events.join(", ")}; attempts from steps ${attempts.map((from) => from.join(" ")).join(" | ")}`,
        );
      } catch (error) {
        throw new Error(`round ${round} of seed ${seed} failed`, { cause: error });
      } finally {
        if (mounted) spawnSync("umount", ["--lazy", store]);
        rmSync(store, { recursive: true, force: true });
      }
    }
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
  const kills = counts.parent + counts.worker + counts.all;
  return { rounds: round, kills, counts, seconds: (performance.now() - started) / 1000 };
}

/** Disturbs sweeps of a store three times, and leaves no process behind. Returns what happened. */
async function disturb(study: string, store: string, random: () => number, counts: Counts, mounted: boolean) {
  const chance = (share: number) => random() < share;
  const events: string[] = [];
  const happened = (kind: keyof Counts) => {
    counts[kind]++;
    events.push(kind);
  };
  for (let time = 1; time <= 3; time++) {
    const jumps = chance(0.3);
    if (jumps) happened("clock jumps");
    const clock = jumps ? { NODE_OPTIONS: OTHER_MACHINE, OTHER_CLOCK: "jumps" } : {};
    const sweeps = [startSweep(study, store, 2, clock)];
    if (chance(0.4)) {
      happened("two sweeps");
      const elsewhere = chance(0.5) ? { NODE_OPTIONS: OTHER_MACHINE, OTHER_HOST: "elsewhere" } : {};
      sweeps.push(startSweep(study, store, 1, { ...clock, ...elsewhere }));
    }
    const ended = Promise.all(sweeps.map(exit));
    const pids = () => sweeps.flatMap((sweep) => (isRunning(sweep) ? [sweep.pid!, ...workersOf(sweep.pid!)] : []));

    // Each time comes some steps later, at a random moment of a step, a checkpoint, the start or the end.
    const target = Math.floor((STEPS * (time - 1 + random())) / 3);
    const deadline = performance.now() + 8_000;
    while (stepsOnRecord(store) < target && sweeps.some(isRunning) && performance.now() < deadline) await sleep(5);
    await sleep(random() * 40);

    if (mounted && chance(0.25)) {
      happened("full disk");
      const ballast = join(store, ".ballast");
      fill(ballast);
      await Promise.race([ended, sleep(1_500)]);
      rmSync(ballast, { force: true });
    }
    const kind = (["parent", "worker", "all"] as const)[Math.floor(random() * 3)];
    const running = pids();
    const workers = running.filter((pid) => !sweeps.some((sweep) => sweep.pid === pid));
    const victims = { parent: [sweeps[0].pid!], worker: workers.slice(0, 1), all: running }[kind].filter((pid) =>
      running.includes(pid),
    );
    if (victims.length > 0) happened(kind);
    for (const pid of victims) kill(pid);
    if (kind === "worker") await sleep(500 * random()); // the parent goes on with another worker
    for (const pid of pids()) kill(pid);
    await ended;
    await gone(running);
  }
  return events;
}

const isRunning = (sweep: SweepProcess) => sweep.exitCode === null && sweep.signalCode === null;

/** Process ids of a sweep's workers. */
function workersOf(parent: number): number[] {
  const children = textOf(`/proc/${parent}/task/${parent}/children`).trim().split(" ").filter(Boolean).map(Number);
  return children.filter((pid) => textOf(`/proc/${pid}/cmdline`).includes("sweep-worker"));
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // the process has just ended
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // it has ended by itself
  }
}

/** Waits until processes that were killed, or whose parent was, have ended. */
async function gone(pids: readonly number[]): Promise<void> {
  const deadline = performance.now() + 15_000;
  const lives = (pid: number) => /\) [^ZX] /.test(textOf(`/proc/${pid}/stat`)); // a zombie has ended

  while (pids.some(lives)) {
    if (performance.now() > deadline) throw new Error(`processes ${pids.filter(lives).join(", ")} do not end`);
    await sleep(20);
  }
}

/** Fills the disk with a file. */
function fill(path: string): void {
  try {
    for (let part = 0; ; part++) writeFileSync(path, Buffer.alloc(part < 30 ? 1 << 20 : 1 << 12), { flag: "a" });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
  }
}

async function main(): Promise<void> {
  const text = { type: "string" } as const;
  const { values } = parseArgs({ options: { rounds: text, seconds: text, seed: text } });
  const seconds = values.seconds === undefined ? undefined : Number(values.seconds);
  const rounds = Number(values.rounds ?? (seconds === undefined ? 20 : Number.MAX_SAFE_INTEGER));
  const seed = Number(values.seed ?? Date.now() % 100_000);
  console.log(`seed ${seed}`);
  console.log(await crash({ rounds, seconds, seed, say: console.log }));
}

if (require.main === module) void main();
