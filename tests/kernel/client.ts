import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface, type Interface } from "node:readline";

/** The repository root. */
export const ROOT = join(__dirname, "..", "..");
/** The Python interpreter of the project's environment. */
export const PYTHON = join(ROOT, ".venv", "bin", "python");

/** An output message of a cell, by Jupyter's message type. */
export interface Output {
  type: string;
  content: Record<string, unknown> & { data?: Record<string, unknown> };
}
/** The content of an `execute_reply`. */
export interface Reply {
  status: string;
  execution_count?: number;
  ename?: string;
  evalue?: string;
  traceback?: string[];
}
/** Everything that a cell sent, and its duration. */
export interface CellResult {
  reply: Reply;
  outputs: Output[];
  seconds: number;
  /** seconds from the interrupt to the reply */
  seconds_to_stop?: number;
  /** true if the cell did not end within the limit */
  hung?: boolean;
}

/** The project's kernel, as kernel/kernel.json starts it. */
export function ourKernel(): KernelSpec {
  const text = readFileSync(join(ROOT, "kernel", "kernel.json"), "utf8")
    .replaceAll("{node}", process.execPath)
    .replaceAll("{root}", ROOT);
  return JSON.parse(text) as KernelSpec;
}

/** Unmodified tslab, which has the faults that the project's kernel fixes. */
export const STOCK_KERNEL: KernelSpec = {
  argv: [
    process.execPath,
    join(ROOT, "node_modules", "tslab", "bin", "tslab"),
    "kernel",
    "--config-path",
    "{connection_file}",
  ],
  interrupt_mode: "signal",
};

/** How to start and interrupt a kernel, as in a kernelspec. */
export interface KernelSpec {
  argv: string[];
  interrupt_mode: string;
}

/** A running kernel with a client (client.py) that talks to it like a front end. */
export class TestKernel {
  private constructor(
    private readonly process: ChildProcessWithoutNullStreams,
    private readonly lines: AsyncIterator<string>,
    private readonly reader: Interface,
    /** seconds until the kernel answered for the first time */
    readonly startSeconds: number,
    readonly pid: number,
  ) {}

  /**
   * Starts a kernel and waits until it answers.
   * @param cwd the notebook's folder
   * @throws {Error} with the client's log if the kernel does not start
   */
  static async start({ argv, interrupt_mode }: KernelSpec, cwd = join(ROOT, "tests", "kernel")): Promise<TestKernel> {
    const child = spawn(
      PYTHON,
      [join(ROOT, "tests", "kernel", "client.py"), JSON.stringify({ argv, interrupt_mode, cwd })],
      { stdio: ["pipe", "pipe", "pipe"] },
    );
    let log = "";
    child.stderr.on("data", (chunk) => {
      log += chunk;
    });
    const reader = createInterface({ input: child.stdout });
    const lines = reader[Symbol.asyncIterator]();
    const first = await lines.next();
    if (first.done) throw new Error(`the kernel did not start:\n${log}`);
    const { ready, pid } = JSON.parse(first.value) as { ready: number; pid: number };
    return new TestKernel(child, lines, reader, ready, pid);
  }

  /**
   * Runs cells, sent all at once as "Run All" does.
   * @param options.interrupt_after interrupts the kernel when this text appears in an output
   * @param options.limit seconds
   */
  async run(
    codes: string[],
    options: { interrupt_after?: string; limit?: number; stop_on_error?: boolean } = {},
  ): Promise<CellResult[]> {
    return (await this.ask<{ cells: CellResult[] }>({ op: "execute", codes, ...options })).cells;
  }

  /** Runs a single cell; see {@link run}. */
  async runOne(code: string, options: { interrupt_after?: string; limit?: number } = {}): Promise<CellResult> {
    return (await this.run([code], options))[0]!;
  }

  /** Sends a request on the shell channel and returns the content of its reply. */
  async request(type: string, content: Record<string, unknown>): Promise<Record<string, unknown>> {
    return (await this.ask<{ reply: Record<string, unknown> }>({ op: "request", type, content })).reply;
  }

  /** Restarts the kernel; returns the seconds until it is ready. */
  restart(): Promise<{ seconds: number }> {
    return this.ask({ op: "restart" });
  }

  /** Shuts down kernel and client. */
  async stop(): Promise<void> {
    await this.ask({ op: "shutdown" });
    this.reader.close();
    this.process.stdin.end();
  }

  private async ask<T>(command: Record<string, unknown>): Promise<T> {
    this.process.stdin.write(`${JSON.stringify(command)}\n`);
    const line = await this.lines.next();
    if (line.done) throw new Error("client.py exited unexpectedly");
    return JSON.parse(line.value) as T;
  }
}

/** Returns everything that a cell wrote to standard output. */
export function printed(cell: CellResult): string {
  return cell.outputs
    .filter(({ type, content }) => type === "stream" && content.name === "stdout")
    .map(({ content }) => content.text as string)
    .join("");
}

/** Returns the error output of a cell, if there is one. */
export function errorOf(cell: CellResult): { ename: string; evalue: string; traceback: string[] } | undefined {
  return cell.outputs.find(({ type }) => type === "error")?.content as
    { ename: string; evalue: string; traceback: string[] } | undefined;
}
