import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface, type Interface } from "node:readline";

export const ROOT = join(__dirname, "..", "..");
export const PYTHON = join(ROOT, ".venv", "bin", "python");

export interface Output {
  type: string;
  content: Record<string, unknown> & { data?: Record<string, unknown> };
}
export interface Reply {
  status: string;
  execution_count?: number;
  ename?: string;
  evalue?: string;
  traceback?: string[];
}
export interface CellResult {
  reply: Reply;
  outputs: Output[];
  seconds: number;
  /** from pressing stop to the reply */
  seconds_to_stop?: number;
  /** the cell did not end within the limit */
  hung?: boolean;
}

/** Our kernel as Jupyter starts it, by kernel/kernel.json. */
export function ourKernel(): KernelSpec {
  const text = readFileSync(join(ROOT, "kernel", "kernel.json"), "utf8")
    .replaceAll("{node}", process.execPath)
    .replaceAll("{root}", ROOT);
  return JSON.parse(text) as KernelSpec;
}

/** tslab as it comes, which shows the faults that ours cures. */
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

export interface KernelSpec {
  argv: string[];
  interrupt_mode: string;
}

/** A running kernel and a front end to it (client.py). */
export class TestKernel {
  private constructor(
    private readonly process: ChildProcessWithoutNullStreams,
    private readonly lines: AsyncIterator<string>,
    private readonly reader: Interface,
    /** until it answered for the first time */
    readonly startSeconds: number,
    readonly pid: number,
  ) {}

  /** @param cwd the notebook's folder */
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

  /** Runs cells, all sent at once as "Run All" does. */
  async run(
    codes: string[],
    options: { interrupt_after?: string; limit?: number; stop_on_error?: boolean } = {},
  ): Promise<CellResult[]> {
    return (await this.ask<{ cells: CellResult[] }>({ op: "execute", codes, ...options })).cells;
  }

  async runOne(code: string, options: { interrupt_after?: string; limit?: number } = {}): Promise<CellResult> {
    return (await this.run([code], options))[0]!;
  }

  async request(type: string, content: Record<string, unknown>): Promise<Record<string, unknown>> {
    return (await this.ask<{ reply: Record<string, unknown> }>({ op: "request", type, content })).reply;
  }

  restart(): Promise<{ seconds: number }> {
    return this.ask({ op: "restart" });
  }

  async stop(): Promise<void> {
    await this.ask({ op: "shutdown" });
    this.reader.close();
    this.process.stdin.end();
  }

  private async ask<T>(command: Record<string, unknown>): Promise<T> {
    this.process.stdin.write(`${JSON.stringify(command)}\n`);
    const line = await this.lines.next();
    if (line.done) throw new Error("the kernel's client ended");
    return JSON.parse(line.value) as T;
  }
}

/** Everything a cell wrote to standard output. */
export function printed(cell: CellResult): string {
  return cell.outputs
    .filter(({ type, content }) => type === "stream" && content.name === "stdout")
    .map(({ content }) => content.text as string)
    .join("");
}

/** The error output of a cell. */
export function errorOf(cell: CellResult): { ename: string; evalue: string; traceback: string[] } | undefined {
  return cell.outputs.find(({ type }) => type === "error")?.content as
    { ename: string; evalue: string; traceback: string[] } | undefined;
}
