// A fault of each kind is planted in a sound figure, and must be found, alone.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { after, test } from "node:test";
import { closeBrowser } from "../../lib/export/browser";
import { renderFigure } from "../../lib/export/export";
import type { Layout, Trace } from "../../lib/figures/figure";
import { axis, baseLayout } from "../../lib/figures/theme";
import { legibilityFaults, svgFiles } from "./legibility";

const dir = mkdtempSync(join(tmpdir(), "promptloss-legibility-"));
after(async () => {
  await closeBrowser();
  rmSync(dir, { recursive: true });
});

const points = (rest: Trace = {}): Trace => ({
  type: "scatter",
  mode: "lines+markers",
  name: "runs",
  x: [1, 2, 3],
  y: [2, 3, 2],
  error_y: { array: [0.5, 0.5, 0.5] },
  marker: { size: 10, line: { width: 2 } },
  ...rest,
});

/** A figure of 3.25 × 2.25 inches without a fault, but for what `traces` and `layout` change. */
function draw(traces: Trace[] = [points()], layout: Layout = {}): Promise<string> {
  const size = { width: 3.25, height: 2.25 };
  const rest = {
    margin: { l: 60, r: 20, t: 60, b: 60 },
    xaxis: axis("prompt loss weight", { range: [0, 4] }),
    yaxis: axis("loss <i>R</i><sub>g</sub>", { range: [0, 4] }),
    legend: { orientation: "h", x: 0, y: 1.02, xanchor: "left", yanchor: "bottom" },
    ...layout,
  };
  return renderFigure({ data: traces, layout: baseLayout(size, rest) }, "svg").then(String);
}

const note = (text: string, x: number, y: number, rest: Layout = {}): Layout => ({
  text,
  x,
  y,
  xref: "paper",
  yref: "paper",
  xanchor: "center",
  showarrow: false,
  ...rest,
});

test("a sound figure has no fault", async () => {
  assert.deepEqual(await legibilityFaults(await draw()), []);
  const rotated = [note("one way", 0.3, 0.9, { textangle: -45 }), note("the same", 0.37, 0.9, { textangle: -45 })];
  assert.deepEqual(
    await legibilityFaults(await draw(undefined, { annotations: rotated })),
    [],
    "parallel, not overlapping",
  );
  const inside = [points({ cliponaxis: false, x: [0, 2, 4], error_y: undefined })];
  assert.deepEqual(await legibilityFaults(await draw(inside)), [], "whole markers on the frame");
  const odd = ["A", "B", "C"].map((name) => points({ name: `a long name ${name}` }));
  assert.deepEqual(await legibilityFaults(await draw(odd, { legend: twoColumns })), [], "three entries in two columns");
});

const twoColumns = { orientation: "h", x: 0, y: 1.02, xanchor: "left", yanchor: "bottom", entrywidth: 150 };

const PLANTED: { fault: string; what: RegExp; traces?: Trace[]; layout?: Layout }[] = [
  {
    fault: "text outside the page",
    what: /^annotation "far right", \d+\.\d px over the right edge$/,
    layout: { annotations: [note("far right", 1.1, 0.5)] },
  },
  {
    fault: "text clipped",
    what: /^text "cut", \d+\.\d px over the right edge$/,
    traces: [points(), { type: "scatter", mode: "text", x: [4], y: [1], text: ["cut"], showlegend: false }],
  },
  {
    fault: "tick labels too close",
    what: /^axis x: "0\.0005" and "0\.0022", overlap by \d+\.\d px$/,
    layout: {
      xaxis: axis("weight", { range: [0, 4], tickvals: [1, 1.2], ticktext: ["0.0005", "0.0022"], tickangle: 0 }),
    },
  },
  {
    fault: "texts overlap",
    what: /^axis title and annotation "weight" and "\(a\) Panel", overlap by \d+\.\d px$/,
    layout: {
      xaxis: axis("weight", { range: [0, 4] }),
      annotations: [note("(a) Panel", 0.5, 0, { yanchor: "top", yshift: -30 })],
    },
  },
  {
    fault: "marker clipped",
    what: /^2 × marker over the left edge of panel xy, by up to \d\.\d px$/,
    traces: [points({ x: [0, 2, 0], error_y: undefined })],
  },
  {
    fault: "marker clipped",
    what: /^1 × error bar over the upper edge of panel xy, by up to \d+\.\d px$/,
    traces: [points({ error_y: { array: [0.5, 1.5, 0.5] } })],
  },
  {
    fault: "marker hidden",
    what: /^1 × marker beyond the axes of panel xy$/,
    traces: [points({ x: [1, 2, 5], error_y: undefined, cliponaxis: false })],
  },
  {
    fault: "orphan in the legend",
    what: /^"D" alone in its row$/,
    traces: ["A", "B", "C", "D"].map((name) => points({ name })),
    layout: { legend: { ...twoColumns, entrywidth: 80 } },
  },
  {
    fault: "text too small",
    what: /^annotation "six point", 6\.0 pt, less than 7 pt$/,
    layout: { annotations: [note("six point", 0.2, 0.9, { font: { size: 12 } })] },
  },
];

for (const { fault, what, traces, layout } of PLANTED) {
  test(`found: ${fault} (${what.source})`, async () => {
    const found = await legibilityFaults(await draw(traces, layout));
    assert.deepEqual(
      found.map(({ kind }) => kind),
      [fault],
      JSON.stringify(found),
    );
    assert.match(found[0].what, what);
  });
}

test("the committed figures are legible", async () => {
  const faults: string[] = [];
  for (const file of svgFiles([join(__dirname, "..", "..", "figures")])) {
    for (const { kind, what } of await legibilityFaults(readFileSync(file, "utf8")))
      faults.push(`${basename(file)}: ${kind}: ${what}`);
  }
  assert.deepEqual(faults, []);
});

test("the program prints a line per fault and exits with 1, without faults with 0", async () => {
  const run = (name: string) =>
    spawnSync(process.execPath, ["--import", "tsx", join(__dirname, "legibility.ts"), join(dir, name)], {
      encoding: "utf8",
    });
  for (const name of ["sound", "faulty", "empty"]) mkdirSync(join(dir, name));
  writeFileSync(join(dir, "sound", "a.svg"), await draw());
  writeFileSync(join(dir, "faulty", "b.svg"), await draw(undefined, { annotations: [note("far right", 1.1, 0.5)] }));
  const [sound, faulty, empty] = ["sound", "faulty", "empty"].map(run);
  assert.deepEqual([sound.status, sound.stdout], [0, "1 figure, 0 faults\n"]);
  assert.equal(faulty.status, 1);
  assert.match(
    faulty.stdout,
    /b\.svg: text outside the page: annotation "far right", .* at \(\d+, \d+\)\n1 figure, 1 fault\n$/,
  );
  assert.deepEqual([empty.status, empty.stdout], [1, "no SVG files\n"]);
});
