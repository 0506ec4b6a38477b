import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { randomUUID } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { basename, delimiter, dirname, join } from "node:path";
import { chromium, type Browser, type Locator, type Page } from "playwright-core";
import { ROOT } from "./client";

const JUPYTER = join(ROOT, ".venv", "bin", "jupyter");
const BROWSERS = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/** JupyterLab's settings for the tests: no autosave, and all cells in the page at once. */
const SETTINGS: Record<string, Record<string, unknown>> = {
  "notebook-extension/tracker": { windowingMode: "none" },
  "docmanager-extension/plugin": { autosave: false },
};

/** How a server is started, if not directly. */
export interface Launch {
  /** the server's root; deleted at the end */
  folder: string;
  /** program and arguments; the server must not open a browser */
  command(port: number): string[];
  /** where the command is called */
  cwd: string;
}

/** JupyterLab alone, in a temporary folder. */
function directly(): Launch {
  const folder = mkdtempSync(join(tmpdir(), "promptloss-lab-"));
  const command = (port: number): string[] => [
    JUPYTER,
    "lab",
    "--no-browser",
    "--ServerApp.ip=127.0.0.1",
    `--ServerApp.port=${port}`,
    "--ServerApp.port_retries=0",
    `--ServerApp.root_dir=${folder}`,
    ...(process.getuid?.() === 0 ? ["--allow-root"] : []),
  ];
  return { folder, command, cwd: folder };
}

/** A real JupyterLab server, with a browser. It neither reads nor writes the user's Jupyter settings. */
export class Lab {
  private constructor(
    readonly folder: string,
    private readonly server: ChildProcess,
    private readonly browser: Browser,
    private readonly url: string,
    private readonly token: string,
    private readonly settings: string,
  ) {}

  /**
   * Starts server and browser.
   * @param environment variables added to the environment of the server, and so to that of its kernels
   * @param launch default: JupyterLab alone, in its own temporary folder
   * @throws {Error} with the server's log if it does not answer within a minute
   */
  static async start(environment: Record<string, string> = {}, launch: Launch = directly()): Promise<Lab> {
    const { folder, command, cwd } = launch;
    const home = mkdtempSync(join(tmpdir(), "promptloss-jupyter-"));
    const jupyterFolder = (name: string): string => join(home, name);
    for (const [name, settings] of Object.entries(SETTINGS)) {
      const file = join(jupyterFolder("settings"), "@jupyterlab", `${name}.jupyterlab-settings`);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, JSON.stringify(settings));
    }
    const [port, token] = [await freePort(), randomUUID()];
    const [program, ...args] = command(port);
    const server = spawn(program!, args, {
      cwd,
      stdio: ["ignore", "pipe", "pipe"],
      env: {
        ...process.env,
        ...environment,
        JUPYTER_TOKEN: token,
        JUPYTER_CONFIG_DIR: jupyterFolder("config"),
        JUPYTER_DATA_DIR: jupyterFolder("data"),
        JUPYTER_RUNTIME_DIR: jupyterFolder("runtime"),
        IPYTHONDIR: jupyterFolder("ipython"),
        JUPYTERLAB_SETTINGS_DIR: jupyterFolder("settings"),
        JUPYTERLAB_WORKSPACES_DIR: jupyterFolder("workspaces"),
        JUPYTER_PATH: "",
        JUPYTER_PREFER_ENV_PATH: "1",
      },
    });
    let log = "";
    for (const stream of [server.stdout, server.stderr])
      stream.on("data", (chunk) => {
        log += chunk;
      });
    const url = `http://127.0.0.1:${port}`;
    try {
      await until(
        async () => {
          if (server.exitCode !== null) throw new Error(`JupyterLab ended:\n${log}`);
          return fetch(`${url}/api/status?token=${token}`).then(
            ({ ok }) => ok,
            () => false,
          );
        },
        60_000,
        () => `JupyterLab does not answer:\n${log}`,
      );
      return new Lab(folder, server, await startBrowser(), url, token, home);
    } catch (error) {
      await end(server);
      throw error;
    }
  }

  /**
   * Opens a notebook in {@link folder} and waits until its kernel is idle.
   * @param prepare called with the empty page
   */
  async open(path: string, prepare?: (page: Page) => Promise<unknown>): Promise<NotebookPage> {
    const context = await this.browser.newContext({ viewport: { width: 1200, height: 1600 } });
    const page = await context.newPage();
    page.setDefaultTimeout(30_000);
    await prepare?.(page);
    await page.goto(`${this.url}/lab/tree/${path}?reset&token=${this.token}`);
    await page.locator(".jp-NotebookPanel:visible .jp-Cell").first().waitFor({ timeout: 60_000 });
    const notebook = new NotebookPage(page, join(this.folder, path));
    await notebook.idle(); // before that, "Run All" asks which kernel to use
    return notebook;
  }

  /** The page that the server opens first: the path of its address. */
  async firstPage(): Promise<string> {
    const { headers } = await fetch(`${this.url}/?token=${this.token}`, { redirect: "manual" });
    return decodeURIComponent(new URL(headers.get("location")!, this.url).pathname);
  }

  /** Stops browser and server, and deletes the folders. */
  async stop(): Promise<void> {
    await this.browser.close();
    await end(this.server);
    for (const folder of [this.folder, this.settings]) rmSync(folder, { recursive: true, maxRetries: 5 });
  }
}

/** An open notebook, controlled as by a user: through menus, buttons and the visible page. */
export class NotebookPage {
  constructor(
    readonly page: Page,
    private readonly path: string,
  ) {}

  private get panel(): Locator {
    return this.page.locator(".jp-NotebookPanel:visible");
  }

  /** The cell at an index, counted from 0 over code and markdown cells. */
  cell(index: number): Locator {
    return this.panel.locator(".jp-Notebook .jp-Cell").nth(index);
  }

  /** The output area of a cell. */
  output(index: number): Locator {
    return this.cell(index).locator(".jp-Cell-outputArea");
  }

  /** The prompt of a cell: "[3]:", or "[*]:" while the cell runs or is queued. */
  prompt(index: number): Promise<string> {
    return this.cell(index).locator(".jp-InputPrompt").innerText();
  }

  /** Clicks an item of a menu in the menu bar. */
  async menu(menu: string, item: string): Promise<void> {
    await this.page.locator(".lm-MenuBar-itemLabel", { hasText: new RegExp(`^${menu}$`) }).click();
    await this.page.locator(".lm-Menu-itemLabel", { hasText: new RegExp(`^${item}$`) }).click();
  }

  /** Starts "Run All Cells" without waiting for its end. */
  async runAll(): Promise<void> {
    await this.menu("Run", "Run All Cells");
  }

  /** Starts one cell without waiting for its end. */
  async runCell(index: number): Promise<void> {
    await this.cell(index).locator(".jp-InputPrompt").click();
    await this.cell(index).and(this.page.locator(".jp-mod-active")).waitFor(); // the keys go to the active cell
    await this.page.keyboard.press("Control+Enter");
  }

  /** Clicks ■. */
  async interrupt(): Promise<void> {
    await this.panel.locator('[data-jp-item-name="interrupt"] >> visible=true').first().click();
  }

  /** Restarts the kernel and waits until it is idle. */
  async restart(): Promise<void> {
    await this.panel.locator('[data-jp-item-name="restart"] >> visible=true').first().click();
    // Until the server has answered, "Idle" may refer to the old kernel, and cells run then may be lost.
    const answered = this.page.waitForResponse((response) => /\/restart(\?|$)/.test(response.url()), {
      timeout: 60_000,
    });
    await this.page.locator(".jp-Dialog button.jp-mod-accept").click();
    await answered;
    await this.idle();
  }

  /** Waits until a cell has ended, successfully or not. @throws {Error} with the cell's output after `timeout` ms */
  async done(index: number, timeout = 60_000): Promise<void> {
    await until(
      async () => /\[\d+\]/.test(await this.prompt(index)),
      timeout,
      async () => `cell ${index} has not ended: ${await this.prompt(index)} ${await this.output(index).innerText()}`,
    );
  }

  /** Waits until the kernel is idle. */
  async idle(timeout = 60_000): Promise<void> {
    await this.page
      .locator("#jp-main-statusbar")
      .getByText(/\| Idle$/)
      .waitFor({ timeout });
  }

  /** Collects the successive texts of an output, until there are `enough` of them or the cell has ended. */
  async watch(index: number, enough: number, timeout = 60_000): Promise<string[]> {
    const seen: string[] = [];
    await until(
      async () => {
        const text = (await this.output(index).allInnerTexts()).join("").trim();
        if (text !== "" && text !== seen.at(-1)) seen.push(text);
        return seen.length >= enough || /\[\d+\]/.test(await this.prompt(index));
      },
      timeout,
      () => `output ${index} showed only: ${seen.join(" | ")}`,
      50,
    );
    return seen;
  }

  /** Saves the notebook and returns the file's content. */
  async save(): Promise<{ cells: { outputs?: { output_type: string; data?: Record<string, unknown> }[] }[] }> {
    await this.page.keyboard.press("Control+s");
    await this.panel.locator(".jp-Toolbar").first().waitFor();
    await until(
      () =>
        this.page
          .locator(".lm-TabBar-tab.lm-mod-current.jp-mod-dirty")
          .count()
          .then((count) => count === 0),
      10_000,
      () => "the notebook was not saved",
    );
    return JSON.parse(readFileSync(this.path, "utf8")) as never;
  }

  /** Saves a screenshot to `PROMPTLOSS_SCREENSHOTS`, if that is set. */
  async screenshot(name: string): Promise<void> {
    const folder = process.env.PROMPTLOSS_SCREENSHOTS;
    if (folder) await this.page.screenshot({ path: join(folder, `${name}.png`) });
  }

  /** Closes the page. */
  close(): Promise<void> {
    return this.page.context().close();
  }
}

/** Returns the content of a notebook file for the project's kernel; `outputs` are the saved outputs of each cell. */
export function notebookFile(sources: readonly string[], outputs: readonly unknown[][] = []): string {
  return JSON.stringify({
    nbformat: 4,
    nbformat_minor: 5,
    metadata: { kernelspec: { name: "promptloss", display_name: "Promptloss (TypeScript)", language: "typescript" } },
    cells: sources.map((source, i) => ({
      id: `cell-${i}`,
      cell_type: "code",
      metadata: {},
      source,
      outputs: outputs[i] ?? [],
      execution_count: null,
    })),
  });
}

/** Returns the reason why the browser tests cannot run here, or false if they can. */
export function labMissing(): string | false {
  if (!existsSync(JUPYTER)) return "needs the Python environment; run node setup.mjs";
  return false;
}

async function startBrowser(): Promise<Browser> {
  const installed = BROWSERS.flatMap((name) =>
    (process.env.PATH ?? "").split(delimiter).map((folder) => join(folder, name)),
  ).find((path) => existsSync(path));
  // The packaged browser is unpacked on first use.
  const executablePath =
    process.env.CHROME_PATH ?? installed ?? (await (await import("@sparticuz/chromium")).default.executablePath());
  try {
    return await chromium.launch({
      executablePath,
      args: [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
      ],
    });
  } catch (error) {
    throw new Error(`cannot start ${basename(executablePath)}; set CHROME_PATH to a Chromium or Chrome`, {
      cause: error,
    });
  }
}

/**
 * Waits until `condition` returns true, checking every `interval` ms.
 * @throws {Error} with the message `complaint` after `timeout` ms
 */
export async function until(
  condition: () => Promise<boolean>,
  timeout: number,
  complaint: () => string | Promise<string>,
  interval = 100,
): Promise<void> {
  const end = Date.now() + timeout;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(await complaint());
    await new Promise((resolve) => setTimeout(resolve, interval));
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
      .once("error", reject)
      .listen(0, "127.0.0.1", () => {
        const { port } = server.address() as AddressInfo;
        server.close(() => resolve(port));
      });
  });
}

/** Terminates a process and waits until it has ended; JupyterLab first shuts down its kernels. */
async function end(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null) return;
  const ended = new Promise<void>((resolve) => server.once("exit", () => resolve()));
  server.kill("SIGTERM");
  const killer = setTimeout(() => server.kill("SIGKILL"), 15_000);
  await ended;
  clearTimeout(killer);
}

/** Returns whether a process with this id exists. */
export function isAlive(pid: number): boolean {
  return spawnSync("kill", ["-0", String(pid)]).status === 0;
}
