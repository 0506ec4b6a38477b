// Executes every notebook headless with `jupyter nbconvert`, on a study of four runs.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { writeTinyNormalizers, writeTinyStudy } from "./tiny-study";

const ROOT = join(__dirname, "..", "..");
const NAMES = readdirSync(join(ROOT, "notebooks"))
  .filter((name) => name.endsWith(".ipynb"))
  .sort();

interface Output {
  output_type: string;
  name?: string;
  text?: string | string[];
  data?: Record<string, unknown>;
  evalue?: string;
}
interface Cell {
  cell_type: string;
  id: string;
  source: string[];
  outputs?: Output[];
}
interface Notebook {
  cells: Cell[];
  metadata: { kernelspec: { name: string } };
}

const folder = mkdtempSync(join(tmpdir(), "promptloss-notebooks-"));
after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 }));
const executed = new Map<string, Notebook>();
const failures = new Map<string, string>();

before(async () => {
  const normalizers = writeTinyNormalizers(folder);
  process.env.PROMPTLOSS_NORMALIZERS = normalizers;
  const study = writeTinyStudy(folder);
  // The sweep runs first, so that the other notebooks find its runs; the others run two at a time.
  const rest = NAMES.filter((name) => !name.startsWith("02"));
  await execute(
    NAMES.find((name) => name.startsWith("02"))!,
    study,
  );
  while (rest.length > 0) await Promise.all(rest.splice(0, 2).map((name) => execute(name, study)));
});

async function execute(name: string, study: string): Promise<void> {
  const child = spawn(
    join(ROOT, ".venv", "bin", "python"),
    [
      "-m",
      "nbconvert",
      "--to",
      "notebook",
      "--execute",
      "--log-level=WARN",
      "--ExecutePreprocessor.timeout=300",
      "--output-dir",
      join(folder, "executed"),
      join(ROOT, "notebooks", name),
    ],
    {
      env: {
        ...process.env,
        PROMPTLOSS_STUDY: study,
        PROMPTLOSS_RUNS: join(folder, "runs"),
        PROMPTLOSS_OUT: join(folder, "out"),
      },
    },
  );
  let log = "";
  child.stderr.on("data", (chunk) => {
    log += String(chunk);
  });
  const status = await new Promise((done) => child.on("close", done));
  if (status === 0) executed.set(name, JSON.parse(readFileSync(join(folder, "executed", name), "utf8")) as Notebook);
  else failures.set(name, log.slice(-3000));
}

const read = (name: string): Notebook => JSON.parse(readFileSync(join(ROOT, "notebooks", name), "utf8")) as Notebook;
const outputs = (notebook: Notebook): Output[] => notebook.cells.flatMap((cell) => cell.outputs ?? []);
const notebookNumber = (number: string): Notebook => executed.get(NAMES.find((name) => name.startsWith(number))!)!;

for (const name of NAMES) {
  test(`${name}: short cells with prose, for the project's kernel`, () => {
    const { cells, metadata } = read(name);
    assert.equal(metadata.kernelspec.name, "promptloss");
    assert.equal(new Set(cells.map(({ id }) => id)).size, cells.length, "cell ids");
    assert.match(cells[0].source.join(""), /^# .*\n\n\*\*.*\?\*\*\n/, "opens with its question");
    assert.match(cells[0].source.join(""), /second|minute/, "says how long it takes");
    const code = cells.filter(({ cell_type }) => cell_type === "code");
    assert.match(
      code.map(({ source }) => source.join("")).join("\n"),
      /^import \{[^}]*\} from "\.\/lib\/index";[^]*loadStudy\(process\.env\.PROMPTLOSS_STUDY \?\? "studies\/pocket\.json"\)/,
    );
    for (const { source } of code) assert.ok(source.length <= 15, source.join(""));
  });

  test(`${name}: runs on another study without an error or a warning`, () => {
    assert.ok(executed.has(name), failures.get(name));
    for (const output of outputs(executed.get(name)!)) {
      assert.notEqual(output.output_type, "error", output.evalue);
      assert.notEqual(output.name, "stderr", String(output.text));
    }
  });
}

test("every figure has traces, a static picture and a description; every table has rows", () => {
  for (const [name, notebook] of executed) {
    for (const { data = {} } of outputs(notebook)) {
      const plot = data["application/vnd.plotly.v1+json"] as { data: { x: unknown[] }[] } | undefined;
      const html = [data["text/html"] ?? ""].flat().join("");
      if (plot) {
        assert.ok(
          plot.data.some(({ x }) => x.length > 1),
          `${name}: traces with points`,
        );
        assert.match(
          [data["image/svg+xml"]].flat().join(""),
          /^<svg [^>]*>[^]*<\/svg>$/,
          `${name}: a picture for viewers without Plotly`,
        );
        assert.ok([data["text/plain"]].flat().join("").length > 40, `${name}: a description`);
      } else if (html.includes("<table")) {
        assert.match(html, /<tbody><tr><td/, `${name}: ${html.slice(0, 300)}`);
      }
    }
  }
  const figureCount = (number: string): number =>
    [...executed]
      .filter(([name]) => name.startsWith(number))
      .flatMap(([, notebook]) => outputs(notebook))
      .filter(({ data }) => data?.["application/vnd.plotly.v1+json"]).length;
  assert.deepEqual(["00", "01", "02", "03", "04", "05", "06", "07"].map(figureCount), [1, 1, 1, 4, 1, 8, 0, 2]);
});

test("the tables and figures are about this study", () => {
  const html = (number: string): string =>
    outputs(notebookNumber(number))
      .map(({ data }) => [data?.["text/html"] ?? ""].flat().join(""))
      .join("\n");
  assert.match(html("01"), /TinyDataShort[^]*AlpacaDataShort \(paper\)/);
  assert.match(html("00"), /2 of 2 runs/);
  assert.match(html("02"), /4 of 4 runs/);
  assert.match(html("03"), /4 of 4 runs evaluated/);
  assert.match(html("03"), /TinyDataShort[^]*Short: group I peaks at small weights/);
  const text = (number: string): string =>
    outputs(notebookNumber(number))
      .map(({ text: lines = "" }) => [lines].flat().join(""))
      .join("\n");
  assert.match(html("04"), /TinyDataShort[^]*AlpacaDataShort \(paper\)/);
  assert.match(text("04"), /TinyData: H0 cannot be tested.*too few distinct values[^]*There are no residuals to check/);
  assert.match(html("06"), /All \(paper\)/);
  assert.match(
    text("06"),
    /All: cannot be fitted\. column "w_p" has 2 distinct values[^]*Figures 3 and 7 cannot be drawn/,
  );
  assert.doesNotMatch(text("04") + text("06") + html("04") + html("06"), /NaN|undefined|Infinity/);
  assert.match(html("05"), /4 of 4 runs \(4 were there\)/);
  assert.match(html("05"), /24 of 24 runs[^]*weight × normalizer/);
  assert.match(html("07"), /<img alt="[^"]+"[^>]* src="data:image\/svg\+xml;base64,[^]*table2\. Benchmark tasks/);
});

test("figures and tables are exported", () => {
  const figures = join(folder, "out", "tiny", "figures");
  for (const name of [
    "loss-curves",
    "length-histograms",
    "figure1",
    "figure2a",
    "figure2b",
    "figure2b-parts",
    "figure2c",
    "figure2d",
    "figure4",
    "figure5",
    "figure6",
    "regression-curves",
    "normalizers-stability",
    "normalizers-movement",
    "normalizers-learning",
    "venue/figure2b",
  ]) {
    for (const extension of ["pdf", "svg", "png", "csv"])
      assert.ok(existsSync(join(figures, `${name}.${extension}`)), `${name}.${extension}`);
  }
  for (const name of ["table1", "table2", "table3", "table4", "table5", "claims"])
    for (const extension of ["csv", "tex", "html"]) assert.ok(existsSync(join(figures, `${name}.${extension}`)));
});
