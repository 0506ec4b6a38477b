import { createHash, randomBytes } from "node:crypto";
import {
  closeSync,
  existsSync,
  openSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  statSync,
  utimesSync,
} from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { makeFolder, writing } from "./files";
import { RunHeldError } from "../data/errors";

// A claim is an empty file `claim-<host>-<pid>-<start of the process>-<nonce>` in the run's folder. A name is never
// used twice, so anybody may remove the claim of a dead process without ever hitting a living one. Whoever wants
// the run creates his own file first and looks at the others' afterwards: of two, at least one sees the other.

const HEARTBEAT_MS = 20_000;
/** A claim from another machine, whose processes cannot be seen, counts as dead after this long without a heartbeat. */
const EXPIRY_MS = 10 * 60_000;
/** Two that try at the same moment see each other and both step back: a claim this young is worth a second look. */
const YOUNG_MS = 2_000;

/** The right to train one run, held by this process until released. */
export interface Claim {
  /** Shows others that we live, and @throws {RunHeldError} if the claim was taken for dead and removed. */
  renew(): void;
  release(): void;
}

/** Who holds a run. */
export interface Holder {
  pid: number;
  sameMachine: boolean;
  since: Date;
}

/**
 * Claims the run in `dir`, which is made if it is not there.
 * @param run the run's name for the error
 * @throws {RunHeldError} if a living process holds it
 */
export async function claimRun(dir: string, run: string): Promise<Claim> {
  makeFolder(dir);
  for (let attempt = 1; ; attempt++) {
    const name = ["claim", thisHost(), process.pid, processStart(process.pid), randomBytes(4).toString("hex")].join(
      "-",
    );
    const path = join(dir, name);
    writing(path, () => closeSync(openSync(path, "wx")));
    const holder = livingHolder(dir, name);
    if (!holder) return hold(path, run);
    rmSync(path, { force: true });
    if (attempt === 5 || Date.now() - holder.since.getTime() > YOUNG_MS)
      throw new RunHeldError(heldMessage(run, holder, dir));
    await sleep(5 + Math.random() * 50 * attempt);
  }
}

/** The living process that holds the run in `dir`, if any. Claims of dead ones are removed. */
export function livingHolder(dir: string, except?: string): Holder | undefined {
  let names: string[];
  try {
    names = readdirSync(dir);
  } catch {
    return undefined;
  }
  for (const name of names) {
    const parts = /^claim-([0-9a-f]+)-(\d+)-(\d+)-[0-9a-f]+$/.exec(name);
    if (!parts || name === except) continue;
    const stat = statSync(join(dir, name), { throwIfNoEntry: false });
    if (!stat) continue;
    const [host, pid, start] = [parts[1], Number(parts[2]), parts[3]];
    const sameMachine = host === thisHost();
    const lives = sameMachine ? processStart(pid) === start : Date.now() - stat.mtimeMs < EXPIRY_MS;
    if (lives) return { pid, sameMachine, since: stat.birthtime };
    try {
      rmSync(join(dir, name), { force: true });
    } catch {
      /* a store that is only read keeps its dead claims */
    }
  }
  return undefined;
}

function hold(path: string, run: string): Claim {
  let last = Date.now();
  const beat = () => {
    last = Date.now();
    try {
      utimesSync(path, new Date(), new Date());
    } catch {
      /* a removed claim is noticed by renew() */
    }
  };
  const timer = setInterval(beat, HEARTBEAT_MS);
  timer.unref();
  return {
    renew() {
      if (Date.now() - last > HEARTBEAT_MS) beat();
      if (!existsSync(path)) {
        throw new RunHeldError(
          `Run ${run} was taken over by another process while this one stood still. Its result will be in the store.`,
        );
      }
    },
    release() {
      clearInterval(timer);
      rmSync(path, { force: true });
    },
  };
}

function heldMessage(run: string, holder: Holder, dir: string): string {
  const who =
    holder.pid === process.pid && holder.sameMachine
      ? "this very process"
      : `process ${holder.pid} ${holder.sameMachine ? "on this machine" : "on another machine"}`;
  return (
    `Run ${run} is being trained by ${who} since ${holder.since.toISOString()} (${dir}). ` +
    "Wait until it is done and its result is used, or stop that process: its claim then ends."
  );
}

let host: string | undefined;

/** Where process ids mean the same processes: this boot of this machine, and this container on it. Not its name. */
function thisHost(): string {
  if (!host) {
    const marks = [hostname()];
    try {
      marks.push(readFileSync("/proc/sys/kernel/random/boot_id", "utf8"), readlinkSync("/proc/self/ns/pid"));
    } catch {
      /* not Linux: the host name has to do */
    }
    host = createHash("sha256").update(marks.join("\n")).digest("hex").slice(0, 12);
  }
  return host;
}

/** When a process started, in ticks since boot; undefined if it is gone (a zombie is). Process ids are used again, pairs are not. */
function processStart(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" "); // the command before may hold spaces
    return fields[0] === "Z" || fields[0] === "X" ? undefined : fields[19];
  } catch {
    if (existsSync("/proc/self/stat")) return undefined;
  }
  try {
    process.kill(pid, 0);
    return "0";
  } catch {
    return undefined;
  }
}
