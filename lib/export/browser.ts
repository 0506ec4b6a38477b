// The browser that draws figures for export: one a process, started when needed, closed a few seconds after.
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync, chmodSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { brotliDecompressSync } from "node:zlib";
import type { Browser, Page } from "playwright-core";
import { PromptlossError } from "../data/errors";
import { PIXELS_PER_INCH } from "../figures/figure";

const IDLE_MS = 2000;
const PNG_DPI = 300;
const NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge"];

interface Candidate {
  path: string;
  env?: Record<string, string>;
}

/** What {@link withPage}'s page can do: sent as text, since it runs there and not here. */
const PAGE_SCRIPT = `
  const useFonts = async (css, family, text) => {
    document.getElementById("fonts").textContent = css;
    await Promise.all(["", "bold ", "italic "].map((style) => document.fonts.load(style + '16px "' + family + '"', text)));
  };
  const drawFigure = (figure, width, height) =>
    Plotly.toImage({ ...figure, config: { staticPlot: true } }, { format: "svg", width, height, imageDataOnly: true });
  const placeSvg = (svg, width, height) => {
    document.body.innerHTML = svg;
    document.body.firstElementChild.setAttribute("width", width);
    document.body.firstElementChild.setAttribute("height", height);
  };
`;

let session: Promise<{ browser: Browser; page: Page }> | undefined;
let queue: Promise<unknown> = Promise.resolve();
let waiting = 0;
let idle: NodeJS.Timeout | undefined;

/** Calls a function of the page; arguments go as JSON. */
export function callPage<T>(
  page: Page,
  name: "useFonts" | "drawFigure" | "placeSvg",
  ...values: unknown[]
): Promise<T> {
  return page.evaluate(`${name}(${values.map((value) => JSON.stringify(value)).join(", ")})`);
}

/**
 * Runs `work` on the shared page, which has Plotly loaded and no network; one call after the other.
 * @throws PromptlossError when no browser can be started, with what was tried and what to install
 */
export function withPage<T>(work: (page: Page) => Promise<T>): Promise<T> {
  clearTimeout(idle);
  waiting++;
  const result = queue.then(async () => {
    session ??= openSession();
    const { browser, page } = await session.catch((error: unknown) => {
      session = undefined;
      throw error;
    });
    if (browser.isConnected()) return work(page);
    session = openSession(); // it was killed, or crashed, since the last figure
    return work((await session).page);
  });
  queue = result
    .catch(() => undefined)
    .finally(() => {
      if (--waiting === 0) idle = setTimeout(() => void closeBrowser(), IDLE_MS);
    });
  return result;
}

/** Closes the browser now, if one is open, rather than after a few idle seconds. */
export async function closeBrowser(): Promise<void> {
  clearTimeout(idle);
  const open = session;
  session = undefined;
  await (await open?.catch(() => undefined))?.browser.close();
}

async function openSession(): Promise<{ browser: Browser; page: Page }> {
  const browser = await launch();
  const context = await browser.newContext({
    offline: true,
    deviceScaleFactor: PNG_DPI / PIXELS_PER_INCH,
    viewport: { width: 1000, height: 1000 },
  });
  const page = await context.newPage();
  await page.setContent(
    `<!doctype html><style id="fonts"></style><style>body { margin: 0 } svg { display: block }</style><body></body>`,
  );
  await page.addScriptTag({ path: require.resolve("plotly.js-dist") });
  await page.addScriptTag({ content: PAGE_SCRIPT });
  return { browser, page };
}

async function launch(): Promise<Browser> {
  const { chromium } = await import("playwright-core");
  const failures: string[] = [];
  // One after the other: unpacking the packaged browser is for machines that have no other.
  const finders = process.env.CHROME_PATH ? [namedBrowser] : [installedBrowsers, packagedBrowser];
  for (const find of finders) {
    for (const { path, env } of find()) {
      try {
        return await chromium.launch({
          executablePath: path,
          // Containers and root have no user namespaces for the sandbox; the page only ever runs our own code, offline.
          args: ["--no-sandbox", "--disable-gpu", "--font-render-hinting=none", "--force-color-profile=srgb"],
          env: { ...(process.env as Record<string, string>), ...env },
          // An interrupt from Jupyter stops a cell, not the browser, and never the kernel.
          handleSIGINT: false,
          handleSIGTERM: false,
          handleSIGHUP: false,
        });
      } catch (error) {
        failures.push(`- ${path}: ${firstLine(error)}`);
      }
    }
  }
  throw new PromptlossError(
    [
      "Exporting figures needs Chromium or Chrome, and none could be started. Install one (Debian, Ubuntu: " +
        "apt-get install chromium), or set CHROME_PATH to its program file.",
      ...failures,
    ].join("\n"),
  );
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split("\n")[0];
}

function namedBrowser(): Candidate[] {
  return [{ path: process.env.CHROME_PATH! }];
}

function installedBrowsers(): Candidate[] {
  const folders = (process.env.PATH ?? "").split(delimiter);
  return NAMES.flatMap((name) => {
    const folder = folders.find((one) => existsSync(join(one, name)));
    return folder === undefined ? [] : [{ path: join(folder, name) }];
  });
}

/** The browser that the npm package @sparticuz/chromium holds compressed; unpacked once, beside the packages. */
function packagedBrowser(): Candidate[] {
  if (process.platform !== "linux" || process.arch !== "x64") return [];
  const { bin, version } = browserPackage();
  const target = join(bin, "..", "..", "..", ".cache", "promptloss", `chromium-${version}`);
  const program = join(target, "chromium");
  if (!existsSync(program)) {
    mkdirSync(target, { recursive: true });
    // Its security libraries, for systems that have none; the system's own come first where they exist.
    for (const [name, bytes] of readTar(brotliDecompressSync(readFileSync(join(bin, "al2023.tar.br"))))) {
      writeFileSync(join(target, name.split("/").pop()!), bytes);
    }
    const partial = `${program}.part-${process.pid}`;
    writeFileSync(partial, brotliDecompressSync(readFileSync(join(bin, "chromium.br"))));
    chmodSync(partial, 0o755);
    renameSync(partial, program);
  }
  const libraries = [process.env.LD_LIBRARY_PATH, target].filter(Boolean).join(delimiter);
  return [{ path: program, env: { LD_LIBRARY_PATH: libraries } }];
}

function browserPackage(): { bin: string; version: string } {
  const root = join(dirname(require.resolve("@sparticuz/chromium")), "..", "..");
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };
  return { bin: join(root, "bin"), version };
}

/** Files of an uncompressed tar archive: 512-byte headers with the name first and the size in octal at byte 124. */
function readTar(archive: Buffer): [string, Buffer][] {
  const files: [string, Buffer][] = [];
  for (let at = 0; at + 512 <= archive.length && archive[at] !== 0;) {
    const text = (from: number, length: number): string =>
      archive.toString("latin1", at + from, at + from + length).replace(/\0.*$/s, "");
    const size = parseInt(text(124, 12), 8);
    const isFile = ["0", ""].includes(text(156, 1));
    if (isFile) files.push([text(0, 100), archive.subarray(at + 512, at + 512 + size)]);
    at += 512 + Math.ceil(size / 512) * 512;
  }
  return files;
}
