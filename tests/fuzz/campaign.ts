// Runs inputs in a child process, and restarts it after a crash or a hang.
import { fork, type ChildProcess } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { formatOf } from "./formats";
import { inputOf } from "./input";
import { writeFiles, type Outcome } from "./judge";
import type { Report } from "./worker";

/** Time after which an input counts as a hang, in milliseconds; slowness is judged by CPU time, in `judge.ts`. */
const HANG = 15_000;
/** Heap of the child process, in MiB. */
const HEAP = 700;

/** An input that failed. */
export interface Failure {
  format: string;
  seed: number;
  index: number;
  /** what was changed in a valid input */
  what: string;
  fault: string;
  /** folder with the input's files */
  saved: string;
  /** command that judges this input again */
  repeat: string;
}

/** Number of inputs by what came of them. */
export interface Counts {
  inputs: number;
  read: number;
  refused: number;
  failures: number;
}

/** Judges inputs in a child process. */
export class Campaign {
  private child: ChildProcess | undefined;
  readonly failures: Failure[] = [];
  readonly counts = new Map<string, Counts>();

  /** @param folder where inputs that fail are saved */
  constructor(
    readonly seed: number,
    private readonly folder: string,
  ) {}

  /** Judges the inputs `from` to `from + count − 1` of a format. */
  async run(format: string, from: number, count: number): Promise<void> {
    for (let next = from; next < from + count;) {
      const indices = Array.from({ length: from + count - next }, (_, i) => next + i);
      next = await this.until(format, indices);
    }
  }

  /** Ends the child process. */
  close(): void {
    this.child?.disconnect();
    this.child = undefined;
  }

  /** Sends inputs to the child until all are judged or it ends; returns the index to go on with. */
  private async until(format: string, indices: number[]): Promise<number> {
    const child = (this.child ??= await startChild());
    return new Promise((resolve) => {
      let current = indices[0];
      let isHanging = false;
      const kill = () => {
        isHanging = true;
        child.kill("SIGKILL");
      };
      let timer = setTimeout(kill, HANG);
      const end = (index: number) => {
        clearTimeout(timer);
        child.removeAllListeners("message").removeAllListeners("exit");
        resolve(index);
      };
      child.on("message", ({ index, outcome }: Report) => {
        clearTimeout(timer);
        timer = setTimeout(kill, HANG);
        current = index;
        if (outcome) this.note(format, index, outcome);
        if (outcome && index === indices.at(-1)) end(index + 1);
      });
      child.on("exit", (code, signal) => {
        this.child = undefined;
        const fault = isHanging ? `hangs: no answer in ${HANG / 1000} s` : `the process ended with ${signal ?? code}`;
        this.note(format, current, { kind: "fault", fault });
        end(current + 1);
      });
      child.send({ format, seed: this.seed, indices });
    });
  }

  private note(format: string, index: number, outcome: Outcome): void {
    const counts = this.counts.get(format) ?? { inputs: 0, read: 0, refused: 0, failures: 0 };
    this.counts.set(format, counts);
    counts.inputs++;
    if (outcome.kind !== "fault") {
      counts[outcome.kind]++;
      return;
    }
    counts.failures++;
    const { seed } = this;
    const { files, what } = inputOf(formatOf(format), seed, index);
    const saved = join(this.folder, `${format}-${seed}-${index}`);
    const repeat = `node --import tsx tests/fuzz/fuzz.ts --format ${format} --seed ${seed} --input ${index}`;
    const failure = { format, seed, index, what, fault: outcome.fault, saved, repeat };
    writeFiles(saved, files);
    writeFileSync(`${saved}.json`, JSON.stringify(failure, null, 2));
    this.failures.push(failure);
  }
}

/** Starts a child process and waits until it has loaded the product. */
function startChild(): Promise<ChildProcess> {
  const child = fork(join(__dirname, "worker.ts"), {
    execArgv: ["--import", "tsx", `--max-old-space-size=${HEAP}`],
    stdio: ["ignore", "ignore", "ignore", "ipc"],
  });
  return new Promise((resolve, reject) => {
    child.once("exit", (code, signal) => reject(new Error(`the worker cannot start: ${signal ?? code}`)));
    child.once("message", () => {
      child.removeAllListeners("exit");
      resolve(child);
    });
  });
}

/** The failures as text. */
export function failureText({ format, index, what, fault, saved, repeat }: Failure): string {
  return `${format} ${index} (${what.slice(0, 200)}): ${fault}\n  files: ${saved}\n  repeat: ${repeat}`;
}

/** The counts as a table. */
export function countsText(counts: ReadonlyMap<string, Counts>): string {
  const rows = [...counts].map(([name, { inputs, read, refused, failures }]) => [
    name,
    inputs,
    read,
    refused,
    failures,
  ]);
  const total = [1, 2, 3, 4].map((i) => rows.reduce((sum, row) => sum + Number(row[i]), 0));
  return [["format", "inputs", "read", "refused", "failures"], ...rows, ["total", ...total]]
    .map((row) => row.map((cell, i) => (i ? String(cell).padStart(9) : String(cell).padEnd(12))).join(""))
    .join("\n");
}
