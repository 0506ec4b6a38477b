// Headless Chromium for figure export. Each process starts at most one browser, on the first export, and closes it
// after IDLE_MS without work.
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync, chmodSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { brotliDecompressSync } from "node:zlib";
import type { Browser, Page } from "playwright-core";
import { PromptlossError } from "../data/errors";
import { PIXELS_PER_INCH } from "../figures/figure";

/** Idle time in milliseconds after which the browser is closed. */
const IDLE_MS = 2000;
/** Resolution of PNG files. */
const PNG_DPI = 300;
/** Program names that are searched for in PATH, in this order. */
const BROWSER_NAMES = [
  "chromium",
  "chromium-browser",
  "google-chrome",
  "google-chrome-stable",
  "chrome",
  "microsoft-edge",
];

/** A browser program to try. */
interface Candidate {
  path: string;
  /** environment variables added to those of this process */
  env?: Record<string, string>;
}

/** Functions that {@link callPage} calls. They are passed as source text because they run in the page, not in Node. */
const PAGE_SCRIPT = `
  const useFonts = async (css, family, text) => {
    document.getElementById("fonts").textContent = css;
    const load = (style) => document.fonts.load(style + '16px "' + family + '"', text);
    await Promise.all(["", "bold ", "italic "].map(load));
  };
  const drawFigure = (figure, width, height) =>
    Plotly.toImage({ ...figure, config: { staticPlot: true } }, { format: "svg", width, height, imageDataOnly: true });
  const placeSvg = (svg, width, height) => {
    document.body.innerHTML = svg;
    document.body.firstElementChild.setAttribute("width", width);
    document.body.firstElementChild.setAttribute("height", height);
  };
`;

/** Shared browser and page; undefined if none is open. */
let session: Promise<{ browser: Browser; page: Page }> | undefined;
/** Settles when all calls of {@link withPage} so far have finished. */
let queue: Promise<unknown> = Promise.resolve();
/** Number of calls of {@link withPage} that have not finished. */
let pendingCalls = 0;
let idleTimer: NodeJS.Timeout | undefined;

/**
 * Calls one of the functions that the export page defines.
 *
 * - `useFonts(css, family, text)` installs `@font-face` rules and loads the glyphs of `text`.
 * - `drawFigure(figure, width, height)` draws a Plotly figure and returns it as SVG; sizes in pixels.
 * - `placeSvg(svg, width, height)` shows an SVG as the only content of the page; sizes as SVG lengths.
 *
 * @param page the page that {@link withPage} provides
 * @param name the function to call
 * @param values its arguments, which must be serializable as JSON
 * @returns the function's result
 */
export function callPage<T>(
  page: Page,
  name: "useFonts" | "drawFigure" | "placeSvg",
  ...values: unknown[]
): Promise<T> {
  return page.evaluate(`${name}(${values.map((value) => JSON.stringify(value)).join(", ")})`);
}

/**
 * Runs `work` on the shared page, in which Plotly is loaded and which has no network access. Concurrent calls are
 * queued and run one at a time. If the browser has crashed since the last call, a new one is started.
 *
 * @returns the result of `work`
 * @throws {PromptlossError} if no browser can be started; the message lists the programs that were tried
 */
export function withPage<T>(work: (page: Page) => Promise<T>): Promise<T> {
  clearTimeout(idleTimer);
  pendingCalls++;
  const result = queue.then(async () => {
    session ??= openSession();
    const { browser, page } = await session.catch((error: unknown) => {
      session = undefined;
      throw error;
    });
    if (browser.isConnected()) return work(page);
    session = openSession(); // the browser crashed or was killed since the last figure
    return work((await session).page);
  });
  queue = result
    .catch(() => undefined)
    .finally(() => {
      if (--pendingCalls === 0) idleTimer = setTimeout(() => void closeBrowser(), IDLE_MS);
    });
  return result;
}

/** Closes the browser immediately instead of after the idle time. Does nothing if none is open. */
export async function closeBrowser(): Promise<void> {
  clearTimeout(idleTimer);
  const openedSession = session;
  session = undefined;
  await (await openedSession?.catch(() => undefined))?.browser.close();
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
  // The packaged browser is unpacked only if no installed browser could be started.
  const finders = process.env.CHROME_PATH ? [namedBrowser] : [installedBrowsers, packagedBrowser];
  for (const find of finders) {
    for (const { path, env } of find()) {
      try {
        return await chromium.launch({
          executablePath: path,
          // The sandbox needs user namespaces, which containers and root do not have. The page is offline and runs
          // only the code of this package.
          args: ["--no-sandbox", "--disable-gpu", "--font-render-hinting=none", "--force-color-profile=srgb"],
          env: { ...(process.env as Record<string, string>), ...env },
          // Jupyter interrupts a cell with SIGINT; by default, playwright would then close the browser and exit the
          // kernel process.
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
      "Exporting figures needs Chromium or Chrome, but no browser could be started. Install one (Debian, Ubuntu: " +
        "apt-get install chromium), or set CHROME_PATH to the path of its executable.",
      ...failures,
    ].join("\n"),
  );
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split("\n")[0];
}

/** The browser named by the environment variable CHROME_PATH. */
function namedBrowser(): Candidate[] {
  return [{ path: process.env.CHROME_PATH! }];
}

/** Browsers found in PATH. */
function installedBrowsers(): Candidate[] {
  const folders = (process.env.PATH ?? "").split(delimiter);
  return BROWSER_NAMES.flatMap((name) => {
    const folder = folders.find((candidate) => existsSync(join(candidate, name)));
    return folder === undefined ? [] : [{ path: join(folder, name) }];
  });
}

/**
 * The browser from the npm package @sparticuz/chromium (Linux on x64 only). It is unpacked on first use, into
 * `.cache/promptloss` next to `node_modules`.
 */
function packagedBrowser(): Candidate[] {
  if (process.platform !== "linux" || process.arch !== "x64") return [];
  const { bin, version } = browserPackage();
  const target = join(bin, "..", "..", "..", ".cache", "promptloss", `chromium-${version}`);
  const program = join(target, "chromium");
  if (!existsSync(program)) {
    mkdirSync(target, { recursive: true });
    // The archive holds the NSS libraries that Chromium needs. LD_LIBRARY_PATH entries of the system take precedence.
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

/**
 * Reads the regular files of an uncompressed tar archive. Each entry has a 512-byte header (name at byte 0, size in
 * octal at byte 124, type at byte 156) and content padded to a multiple of 512 bytes.
 *
 * @returns pairs of name and content
 */
function readTar(archive: Buffer): [string, Buffer][] {
  const files: [string, Buffer][] = [];
  for (let offset = 0; offset + 512 <= archive.length && archive[offset] !== 0;) {
    const text = (from: number, length: number): string =>
      archive.toString("latin1", offset + from, offset + from + length).replace(/\0.*$/s, "");
    const size = parseInt(text(124, 12), 8);
    const isFile = ["0", ""].includes(text(156, 1));
    if (isFile) files.push([text(0, 100), archive.subarray(offset + 512, offset + 512 + size)]);
    offset += 512 + Math.ceil(size / 512) * 512;
  }
  return files;
}
