import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { after, test } from "node:test";
import { closeBrowser, withPage } from "../../lib/export/browser";
import { renderFigure } from "../../lib/export/export";
import type { Trace } from "../../lib/figures/figure";
import { axis, baseLayout, sequentialColor } from "../../lib/figures/theme";
import { confusions, linear, parseColor, seenBy, simulate, VISIONS } from "./color-vision";
import { onPage, svgFiles } from "./legibility";

after(closeBrowser);

const series = (color: string, symbol = "circle", dash = "solid"): Trace => ({
  type: "scatter",
  mode: "lines+markers",
  x: [1, 2, 3],
  y: [2, 3, 2],
  marker: { size: 10, symbol, color, line: { width: 2, color: "white" } },
  line: { color, dash },
});

const draw = (data: Trace[], rest = {}): Promise<string> =>
  renderFigure(
    { data, layout: baseLayout({ width: 3, height: 2 }, { xaxis: axis("x"), yaxis: axis("y"), ...rest }) },
    "svg",
  ).then(String);

const confusionsIn = async (traces: Trace[]): Promise<string[]> =>
  confusions(await onPage(await draw(traces), (_, { styles }) => styles)).map(
    ({ panel, colors, why }) => `${panel}: ${colors.join(" and ")}: ${why}`,
  );

/** A red, a green that is as light, and a green that is lighter but has the same color for a deuteranope. */
const [RED, GREEN, LIGHT_GREEN] = ["#B84A00", "#5A7A00", "#00B400"];

test("series that only their color tells apart are found", async () => {
  const found = await confusionsIn([series(RED), series(GREEN)]);
  assert.equal(found.length, 1);
  assert.match(found[0], /^xy: rgb\(184, 74, 0\) and rgb\(90, 122, 0\): ΔL\* \d\.\d in grey, less than 10$/);
  assert.deepEqual(await confusionsIn([series(RED), series(LIGHT_GREEN)]), [
    "xy: rgb(184, 74, 0) and rgb(0, 180, 0): ΔE*ab 12.9 as deuteranope, less than 20",
  ]);
});

test("another marker, another dash or another color is enough", async () => {
  assert.deepEqual(await confusionsIn([series(RED), series(GREEN, "diamond")]), []);
  assert.deepEqual(await confusionsIn([series(RED), series(GREEN, "circle", "dash")]), []);
  assert.deepEqual(await confusionsIn([series("#272C8B"), series("#ECAE31")]), []);
});

test("colors of the ordered scale need only be steps of lightness", async () => {
  assert.deepEqual(await confusionsIn([0, 1 / 9, 2 / 9].map((position) => series(sequentialColor(position)))), []);
  const close = await confusionsIn([0, 0.03].map((position) => series(sequentialColor(position))));
  assert.match(close.join(), /ΔL\* \d\.\d in grey, less than 4$/);
});

test("the series of the committed figures can be told apart", async () => {
  const found: string[] = [];
  for (const file of svgFiles([join(__dirname, "..", "..", "figures")])) {
    for (const { panel, why } of confusions(await onPage(readFileSync(file, "utf8"), (_, { styles }) => styles)))
      found.push(`${basename(file)}, panel ${panel}: ${why}`);
  }
  assert.deepEqual(found, []);
});

test("pictures show what each reader sees", async () => {
  const background = "#C83C28";
  const pictures = await simulate(await draw([series(RED)], { paper_bgcolor: background }));
  assert.deepEqual([...pictures.keys()], ["grey", "deuteranope", "protanope", "tritanope"]);
  for (const [name, png] of pictures) {
    const seen = await withPage((page) =>
      page.evaluate<number[]>(`(async () => {
        const image = await createImageBitmap(await (await fetch("data:image/png;base64,${png.toString("base64")}")).blob());
        const canvas = new OffscreenCanvas(image.width, image.height).getContext("2d");
        canvas.drawImage(image, 0, 0);
        return [...canvas.getImageData(5, 5, 1, 1).data.slice(0, 3)];
      })()`),
    );
    const expected = VISIONS[name] ? seenBy(name, parseColor(background)) : undefined;
    const [r, g, b] = linear(seen);
    if (!expected) assert.ok(r === g && g === b, seen.join());
    else
      [r, g, b].forEach((value, i) =>
        assert.ok(Math.abs(value - expected[i]) < 0.01, `${name}: ${seen.join()}, ${expected.join()}`),
      );
  }
});
