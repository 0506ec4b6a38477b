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
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { makeFolder, writing } from "./files";
import { RunHeldError, StoreError } from "../data/errors";

// A claim is an empty file `claim-<host>-<pid>-<process start time>-<nonce>` in the run's folder. File names are never
// reused, so any process may remove the claim of a dead process without the risk of removing a live one. A process
// first creates its own claim, then checks for others: of two competing processes, at least one sees the other.
//
// States of a claim, and who changes them:
//   created    by the process that wants the run. If it sees a live claim of another, it removes its own and steps back.
//   held       as long as the process lives; its timer sets the file's time (the heartbeat) every 20 s.
//   released   removed by its holder.
//   dead       the process has ended (same host), or the last heartbeat is more than 10 minutes away (another machine,
//              boot or PID namespace, whose processes cannot be seen). Any process may remove it and claim the run.
//   lost       removed as dead, while its holder was only suspended or cut off. The holder finds out in `renew`, which
//              it calls before everything that it writes into the run's folder, and then writes nothing.
// Ages of heartbeats are compared in both directions: a clock that is set back must not keep a dead claim alive. A live
// claim whose host's clock was set is at most 20 s away from its next heartbeat; if it is taken for dead in that time,
// it is lost like any other, and its holder steps back.

const HEARTBEAT_MS = 20_000;
/** A claim from another machine, whose processes cannot be seen, counts as dead after this long without a heartbeat. */
const EXPIRY_MS = 10 * 60_000;
/** Two processes that claim at the same moment both step back; a claim younger than this is worth a retry. */
const YOUNG_MS = 2_000;

/** The exclusive right to train or evaluate one run, held by this process until released. */
export interface Claim {
  /**
   * Updates the heartbeat if it is due (every 20 s). To be called before each write into the run's folder.
   * @throws {RunHeldError} if another process considered this claim dead and removed it
   * @throws {StoreError} if the folder is gone
   */
  renew(): void;
  /** Stops the heartbeat and removes the claim. */
  release(): void;
}

/** The process that holds a run. */
export interface Holder {
  pid: number;
  /** false: `pid` belongs to another machine, boot or container, so the process cannot be inspected */
  sameMachine: boolean;
  since: Date;
}

/**
 * Claims the run in `dir`, creating the folder if necessary. Retries up to four times while the other claim is younger
 * than 2 s, because two processes that start together both step back.
 * @param dir folder that the claim file is created in
 * @param run the run's name, for error messages
 * @returns the claim; the caller must release it
 * @throws {RunHeldError} if a live process holds the run
 * @throws {StoreError} if the folder cannot be written
 */
export async function claimRun(dir: string, run: string): Promise<Claim> {
  makeFolder(dir);
  for (let attempt = 1; ; attempt++) {
    const nonce = randomBytes(4).toString("hex");
    const name = ["claim", thisHost(), process.pid, processStart(process.pid), nonce].join("-");
    const path = join(dir, name);
    writing(path, () => closeSync(openSync(path, "wx")));
    const holder = livingHolder(dir, name);
    if (!holder) return hold(path, run);
    rmSync(path, { force: true });
    if (attempt === 5 || Math.abs(Date.now() - holder.since.getTime()) > YOUNG_MS)
      throw new RunHeldError(heldMessage(run, holder, dir));
    await sleep(5 + Math.random() * 50 * attempt);
  }
}

/**
 * Finds the live process that holds the run in `dir`, and removes the claims of dead processes. On the same machine a
 * process is live if its pid and start time match the claim; on another machine, if its last heartbeat is less than
 * 10 minutes old.
 * @param except file name of a claim to ignore: the caller's own
 * @returns undefined if no live process holds the run, or the folder cannot be read
 */
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
    const isLive = sameMachine ? processStart(pid) === start : Math.abs(Date.now() - stat.mtimeMs) < EXPIRY_MS;
    if (isLive) return { pid, sameMachine, since: stat.birthtime };
    try {
      rmSync(join(dir, name), { force: true });
    } catch {
      /* dead claims stay in a read-only store */
    }
  }
  return undefined;
}

function hold(path: string, run: string): Claim {
  let lastHeartbeat = performance.now(); // a clock that is never set
  const heartbeat = () => {
    lastHeartbeat = performance.now();
    try {
      utimesSync(path, new Date(), new Date());
    } catch {
      /* renew() detects a removed claim */
    }
  };
  const timer = setInterval(heartbeat, HEARTBEAT_MS);
  timer.unref();
  return {
    renew() {
      if (performance.now() - lastHeartbeat > HEARTBEAT_MS) heartbeat();
      if (!existsSync(dirname(path))) {
        throw new StoreError(
          `${dirname(path)}: the folder of run ${run} has been deleted or moved while the run was trained. ` +
            "Repeat the call to train it again.",
          "ENOENT",
        );
      }
      if (!existsSync(path)) {
        throw new RunHeldError(
          `Run ${run} was taken over by another process while this one was suspended. ` +
            "The other process saves its result in the store; repeat the call later to use it.",
        );
      }
    },
    release() {
      clearInterval(timer);
      try {
        rmSync(path, { force: true });
      } catch {
        /* counts as dead when this process has ended; the error that ended the work must not be hidden */
      }
    },
  };
}

function heldMessage(run: string, holder: Holder, dir: string): string {
  const owner =
    holder.pid === process.pid && holder.sameMachine
      ? "this process"
      : `process ${holder.pid} ${holder.sameMachine ? "on this machine" : "on another machine"}`;
  return (
    `Run ${run} has been in use by ${owner} since ${holder.since.toISOString()} (${dir}). ` +
    "Wait until it finishes and reuse its result, or stop that process, which releases its claim."
  );
}

let host: string | undefined;

/**
 * Identifies the scope in which process ids are unique: this boot of this machine and its PID namespace (container).
 * Only the first 12 hexadecimal digits of a SHA-256 are used, so the host name does not appear.
 */
function thisHost(): string {
  if (!host) {
    const parts = [hostname()];
    try {
      parts.push(readFileSync("/proc/sys/kernel/random/boot_id", "utf8"), readlinkSync("/proc/self/ns/pid"));
    } catch {
      /* not Linux: only the host name is available */
    }
    host = createHash("sha256").update(parts.join("\n")).digest("hex").slice(0, 12);
  }
  return host;
}

/**
 * Start time of a process in clock ticks since boot, or undefined if it does not exist or is a zombie. Process ids are
 * reused, but pairs of process id and start time are not. Outside Linux the start time is unknown, and "0" stands for
 * any process that exists.
 */
function processStart(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" "); // the command name may contain spaces
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
