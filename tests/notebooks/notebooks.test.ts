// Executes every notebook headless with `jupyter nbconvert`, on a study of four runs.
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { executeNotebooks, htmlOf, NAMES, outputsOf, ROOT, textOf, type Notebook } from "./execute";
import { writeTinyStudy } from "./tiny-study";

const folder = mkdtempSync(join(tmpdir(), "promptloss-notebooks-"));
after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 }));
let executed: Map<string, Notebook>;
let failures: Map<string, string>;

before(async () => {
  ({ executed, failures } = await executeNotebooks(NAMES, writeTinyStudy(folder), folder));
});

const read = (name: string): Notebook => JSON.parse(readFileSync(join(ROOT, "notebooks", name), "utf8")) as Notebook;
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
      /^import \{[^}]*\} from "\.\/lib\/index";[^]*(loadStudy\(process\.env\.PROMPTLOSS_STUDY \?\? "studies\/pocket\.json"\)|const path = process\.env\.PROMPTLOSS_STUDY \?\? "studies\/pocket\.json";[^]*loadStudy\(path\))/,
    );
    for (const { source } of code) assert.ok(source.length <= 15, source.join(""));
  });

  test(`${name}: runs on another study without an error or a warning`, () => {
    assert.ok(executed.has(name), failures.get(name));
    for (const output of outputsOf(executed.get(name)!)) {
      assert.notEqual(output.output_type, "error", output.evalue);
      assert.notEqual(output.name, "stderr", String(output.text));
    }
  });
}

test("every figure has traces, a static picture and a description; every table has rows", () => {
  for (const [name, notebook] of executed) {
    for (const { data = {} } of outputsOf(notebook)) {
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
        assert.match([data["text/plain"]].flat().join(""), /^\S.* \(.+\)$/, `${name}: its name and what it draws`);
      } else if (html.includes("<thead")) {
        assert.match(html, /<tbody><tr><td/, `${name}: ${html.slice(0, 300)}`);
      }
    }
  }
  const figureCount = (number: string): number =>
    [...executed]
      .filter(([name]) => name.startsWith(number))
      .flatMap(([, notebook]) => outputsOf(notebook))
      .filter(({ data }) => data?.["application/vnd.plotly.v1+json"]).length;
  assert.deepEqual(["00", "01", "02", "03", "04", "05", "06", "07"].map(figureCount), [1, 1, 1, 4, 1, 5, 0, 2]);
});

test("the tables and figures are about this study", () => {
  const html = (number: string): string => htmlOf(notebookNumber(number));
  assert.match(html("01"), /TinyDataShort[^]*AlpacaDataShort \(paper\)/);
  assert.match(html("00"), /2 of 2 runs/);
  assert.match(html("02"), /4 of 4 runs/);
  assert.match(html("03"), /4 of 4 runs evaluated/);
  assert.match(html("03"), /TinyDataShort[^]*Short: group I peaks at small weights/);
  const text = (number: string): string => textOf(notebookNumber(number));
  assert.match(html("04"), /TinyDataShort[^]*AlpacaDataShort \(paper\)/);
  assert.match(text("04"), /TinyData: H0 cannot be tested.*too few distinct values[^]*There are no residuals to check/);
  assert.match(html("06"), /All \(paper\)/);
  assert.match(text("06"), /All: cannot be fitted\. column "w_p" has 2 distinct values/);
  assert.match(html("06"), /figure3 cannot be drawn: [^]*figure7 cannot be drawn/);
  assert.doesNotMatch(text("04") + text("06") + html("04") + html("06"), /NaN|undefined|Infinity/);
  assert.match(html("05"), /4 of 4 runs \(4 were there\)/);
  assert.match(text("05"), /Study tiny has one normalizer \(weights\), so there is nothing to compare/);
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
    "venue/figure2b",
  ]) {
    for (const extension of ["pdf", "svg", "png", "csv"])
      assert.ok(existsSync(join(figures, `${name}.${extension}`)), `${name}.${extension}`);
  }
  for (const name of ["table1", "table2", "table3", "table4", "table5", "claims"])
    for (const extension of ["csv", "tex", "html"]) assert.ok(existsSync(join(figures, `${name}.${extension}`)));
});
