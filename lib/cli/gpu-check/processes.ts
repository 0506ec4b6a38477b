// The processes that gpu-check starts, each with a limit on its time.
import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { repositoryRoot } from "../../data/repository";
import { endOf } from "../../data/well-formed";

/** How a process is started and ended. */
export interface ProcessOptions {
  /** milliseconds after which it is killed */
  limit: number;
  signal: AbortSignal;
  /** besides this process's environment; undefined: not set */
  variables?: Record<string, string | undefined>;
  /** the process is killed when it has written this text */
  killAt?: string;
}

/** The end of a process: `json` is the last line of its output, where that is an object. */
export interface Ended {
  json?: Record<string, unknown>;
  /** why there is no result; undefined if it ended by itself with 0, or was killed at the text asked for */
  problem?: string;
}

/** Arguments that make Node run one of this project's TypeScript programs. */
export function program(...args: [string, ...string[]]): string[] {
  const root = repositoryRoot();
  const tsx = pathToFileURL(createRequire(join(root, "package.json")).resolve("tsx")).href;
  const [file, ...others] = args;
  return ["--import", tsx, join(root, file), ...others];
}

/** Runs a command to its end, its limit, or the signal. */
export function runProcess(command: string, args: string[], options: ProcessOptions): Promise<Ended> {
  const { limit, signal, variables, killAt } = options;
  return new Promise((resolve) => {
    let [stdout, stderr, reason] = ["", "", ""];
    const env = { ...process.env, ...variables };
    // A group of its own, so that Ctrl-C does not interrupt a matrix product of TensorFlow's; see lib/workers/spawn.ts.
    const child = spawn(command, args, {
      cwd: repositoryRoot(),
      env,
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    });
    const kill = (why: string) => {
      reason = why;
      try {
        process.kill(-child.pid!, "SIGKILL"); // with the processes that it started
      } catch {
        // it has just ended
      }
    };
    const timer = setTimeout(() => kill(`took longer than ${Math.round(limit / 1000)} s`), limit);
    const stop = () => kill("stopped");
    signal.addEventListener("abort", stop);
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
      if (killAt !== undefined && stdout.includes(killAt)) child.kill("SIGKILL");
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr = endOf(stderr + text, 2000);
    });
    const end = (problem: string | undefined) => {
      clearTimeout(timer);
      signal.removeEventListener("abort", stop);
      resolve({ json: lastObject(stdout), problem });
    };
    child.on("error", (error) => end(`cannot be started: ${error.message}`));
    child.on("close", (code, by) => {
      if (reason) return end(reason);
      if (code === 0 || (killAt !== undefined && stdout.includes(killAt))) return end(undefined);
      end(`ended with ${by ?? `code ${code}`}: ${stderr.trim()}`);
    });
  });
}

function lastObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text.trim().split("\n").at(-1) ?? "");
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
