import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { closeBrowser } from "../../lib/export/browser";
import { exportFigure, removeExport, renderFigure, toCsv } from "../../lib/export/export";
import { figure2a } from "../../lib/figures/figure2a";
import { figure2b } from "../../lib/figures/figure2b";
import { useTheme } from "../../lib/figures/theme";
import { distances, stability } from "../figures/rows-fixture";

const dir = mkdtempSync(join(tmpdir(), "promptloss-export-"));
after(async () => {
  await closeBrowser();
  rmSync(dir, { recursive: true });
});

/** Reads width, height and pixels per meter from the IHDR and pHYs chunks. */
function pngSize(png: Buffer): [number, number, number] {
  assert.equal(png.toString("latin1", 12, 16), "IHDR");
  const density = png.indexOf("pHYs");
  return [png.readUInt32BE(16), png.readUInt32BE(20), png.readUInt32BE(density + 4)];
}

test("a figure is exported at its printed size as PDF, SVG, PNG and CSV, with the same bytes each time", async () => {
  const figure = figure2b(distances);
  const height = (figure.spec.layout.height as number) / 144;
  const files = await exportFigure(figure, join(dir, "new", "figure2b.svg"));
  const [width, pixels, density] = pngSize(readFileSync(files.png));
  assert.equal(width, 3.25 * 300);
  assert.ok(Math.abs(pixels - height * 300) <= 1, `${pixels} pixels high`);
  assert.equal(density, Math.round(300 / 0.0254));

  const svg = readFileSync(files.svg, "utf8");
  assert.match(svg, new RegExp(`^<svg [^>]*height="${height}in" [^>]*width="3.25in"`));
  for (const name of ["Long", "Short", "Tiny", "one", "two", "0.0005", "prompt loss weight"])
    assert.ok(svg.includes(`>${name}<`), name);

  const pdf = readFileSync(files.pdf, "latin1");
  assert.match(pdf, /^%PDF-/);
  const box = /\/MediaBox ?\[ ?0 0 ([\d.]+) ([\d.]+) ?\]/.exec(pdf)!;
  assert.ok(
    Math.abs(Number(box[1]) - 3.25 * 72) < 1 && Math.abs(Number(box[2]) - height * 72) < 1,
    `${box[1]} × ${box[2]} pt`,
  );
  assert.ok(!pdf.includes("/Subtype /Image"), "vectors only");
  assert.match(pdf, /OpenSans/);

  const [header, ...lines] = readFileSync(files.csv, "utf8").trimEnd().split("\n");
  assert.equal(header, "dataset,model,normalizer,variant,seed,plw,transformedPlw,distance");
  assert.deepEqual(
    lines.map((line) => Number(line.split(",")[7])),
    distances.map(({ distance }) => distance),
  );

  const again = await exportFigure(figure, join(dir, "again", "figure2b"));
  for (const key of ["svg", "pdf", "png", "csv"] as const)
    assert.ok(readFileSync(files[key]).equals(readFileSync(again[key])), key);
});

test("fonts are embedded in PDF (checked with pdffonts) and SVG", async (t) => {
  const files = await exportFigure(figure2a(stability), join(dir, "fonts"));
  assert.match(
    readFileSync(files.svg, "utf8"),
    /<style>@font-face \{\s*font-family: 'Open Sans'[^]*src: url\(data:font\/woff2;base64,/,
  );
  const found = spawnSync("pdffonts", [files.pdf], { encoding: "utf8" });
  if (found.error) return t.diagnostic("pdffonts (poppler-utils) is not installed");
  const fonts = found.stdout.trim().split("\n").slice(2);
  assert.ok(fonts.length > 0, found.stdout);
  for (const font of fonts)
    assert.match(font, /OpenSans-\w+ +.*\byes yes yes\b/, "embedded, subset, with a Unicode map");
});

test("useTheme changes widths, font and colors but not text sizes; without options it restores the defaults", () => {
  useTheme({ columnWidth: 3.5, pageWidth: 7.16, font: { family: "serif" }, colors: ["#000000", "#E69F00"] });
  try {
    const { data, layout } = figure2b(distances).spec;
    assert.equal(layout.width, 3.5 * 144);
    assert.match((layout.font as { family: string; size: number }).family, /^serif/);
    assert.equal((layout.font as { size: number }).size, 14);
    assert.equal((data[0].line as { color: string }).color, "#000000");
    assert.equal(figure2a(stability).spec.layout.width, Math.round(7.16 * 144));
  } finally {
    useTheme();
  }
  assert.equal(figure2b(distances).spec.layout.width, 468);
  assert.throws(
    () => useTheme({ columnWidth: 0 }),
    /columnWidth: must be a number of inches between 2.5 and 12, got 0/,
  );
});

test("concurrent renderings do not mix", async () => {
  const [wide, narrow] = await Promise.all([
    renderFigure(figure2a(stability), "png"),
    renderFigure(figure2b(distances), "png"),
  ]);
  assert.deepEqual([pngSize(wide)[0], pngSize(narrow)[0]], [6.75 * 300, 3.25 * 300]);
});

test("any Plotly figure can be exported; its points become the CSV file", async () => {
  const files = await exportFigure(
    { data: [{ type: "scatter", name: "a", x: [1, 2], y: [3, null] }], layout: { width: 300, height: 200 } },
    join(dir, "plain"),
  );
  assert.equal(readFileSync(files.csv, "utf8"), "trace,x,y\na,1,3\na,2,\n");
});

test("CSV quotes fields with commas, quotes or line breaks and keeps every digit", () => {
  assert.equal(
    toCsv([
      { a: 'x,"y"', b: 0.1 + 0.2 },
      { a: "two\nlines", c: null },
    ]),
    'a,b,c\n"x,""y""",0.30000000000000004,\n"two\nlines",,\n',
  );
});

test("CSV has no character that a terminal would obey, and halves of characters are shown", () => {
  assert.equal(toCsv([{ "a\u001b[2J": "x\r\u009by\u202e", b: "\ud83d" }]), "a␛[2J,b\nx␍⟨U+009B⟩y⟨U+202E⟩,⟨U+D83D⟩\n");
});

test("a missing browser gives an error that says what to install; a process exits after an export", () => {
  const code = `
    const { renderFigure } = require("./lib/export/export");
    const figure = { data: [], layout: { width: 100, height: 100 } };
    renderFigure(figure, "svg").then((svg) => console.log(svg.length > 0), (error) => console.log(error.message));`;
  const run = (env: Record<string, string>): string =>
    spawnSync(process.execPath, ["--import", "tsx", "-e", code], {
      cwd: join(__dirname, "..", ".."),
      env: { ...process.env, ...env },
      encoding: "utf8",
      timeout: 60_000,
    }).stdout;
  assert.match(
    run({ CHROME_PATH: "/no/such/browser" }),
    /needs Chromium or Chrome.*apt-get install chromium.*CHROME_PATH.*\n- \/no\/such\/browser/,
  );
  assert.equal(run({}).trim(), "true");
});

test("a figure that is taller than the browser's window is exported whole", async () => {
  const { spec, rows } = figure2b(distances);
  const tall = { spec: { ...spec, layout: { ...spec.layout, height: 1500 } }, rows };
  const png = await renderFigure(tall, "png");
  assert.deepEqual(pngSize(png).slice(0, 2), [975, 3125]);
});

test("the export of a figure that can no longer be drawn is removed, and nothing else", () => {
  const folder = join(dir, "stale");
  mkdirSync(join(folder, "venue"), { recursive: true });
  const kept = ["figure2.csv", "figure2b-parts.svg", "figure2b.tex", join("venue", "figure2b.svg")];
  const stale = ["figure2b.csv", "figure2b.svg"];
  for (const name of [...kept, ...stale]) writeFileSync(join(folder, name), "");
  assert.deepEqual(
    removeExport(join(folder, "figure2b")).sort(),
    stale.map((name) => join(folder, name)),
  );
  assert.deepEqual(removeExport(join(folder, "figure2b.png")), []);
  assert.deepEqual(readdirSync(folder, { recursive: true }).sort(), [...kept, "venue"].sort());
});
