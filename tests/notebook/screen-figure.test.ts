import assert from "node:assert/strict";
import { after, test } from "node:test";
import { closeBrowser, withPage } from "../../lib/export/browser";
import type { Layout, Trace } from "../../lib/figures/figure";
import { legendsHeight, panelGrid, panelPlwAxis, topLegends } from "../../lib/figures/panels";
import { axis, baseLayout, panelTitle } from "../../lib/figures/theme";
import { screenFigure } from "../../lib/notebook/screen-figure";

after(closeBrowser);

const PLWS = [0, 0.0005, 0.00223, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1];
const NAMES = ["PocketData", "PocketDataCleaned", "PocketDataShort", "PocketDataMedium", "PocketDataTiny", "Another"];

/** A page-wide figure of four panels whose legend takes one row more at 800 pixels. */
function wide(): { data: Trace[]; layout: Layout } {
  const margin = { l: 66, r: 10, t: legendsHeight([NAMES], 972, 14) + 30, b: 80 };
  const panels = panelGrid({ count: 4, columns: 4, width: 972, height: 340, margin, gap: { x: 24, y: 0 } });
  const axes = panels.flatMap((panel) => [
    [panel.xaxis, panelPlwAxis(PLWS, panel)],
    [panel.yaxis, axis("loss", { anchor: panel.x, domain: panel.domain.y })],
  ]);
  return {
    data: panels.flatMap(({ x, y }, i) =>
      NAMES.map((name) => ({
        ...{ type: "scatter", name, xaxis: x, yaxis: y, showlegend: i === 0, hoverinfo: "text+y+name" },
        x: PLWS.map((plw) => plw ** 0.30103),
        y: PLWS.map((plw) => 2 + plw),
        text: PLWS.map((plw) => `PLW ${plw}, pocket-1 seed 42`),
      })),
    ),
    layout: baseLayout(
      { width: 6.75, height: 340 / 144 },
      {
        ...Object.fromEntries(axes),
        ...topLegends([NAMES], { width: 972, height: 340 }, 14),
        margin,
        annotations: panels.map(({ center, top }, i) => panelTitle(`(${"abcd"[i]}) Pocket Myths`, center, top)),
      },
    ),
  };
}

test("dates, typed arrays, legends and axes of any Plotly figure survive", () => {
  const data = [
    { x: [new Date(0)], y: new Float64Array([1.5]), name: "a", legend: "legend2" },
    null,
  ] as unknown as Trace[];
  const legend2 = { orientation: "h", yref: "container", yanchor: "top", font: { size: 12 } };
  const xaxis2 = { tickvals: [1, 2], ticktext: [1, 2], range: [0, 3], tickangle: 0 };
  const layout = { width: 1000, height: 400, margin: { t: 20 }, legend2, xaxis: null, xaxis2 } as unknown as Layout;
  const { data: traces } = screenFigure({ data, layout });
  assert.deepEqual(traces[0].x, [new Date(0)]);
  assert.deepEqual(traces[0].y, [1.5]);
  assert.equal(traces.length, 1);
  assert.equal(screenFigure({ data, layout: { width: Infinity } }).layout.width, Infinity);
});

test("a figure of one column keeps its size", () => {
  const layout = { width: 468, height: 300, xaxis: { tickfont: { size: 14 } } };
  const drawn = screenFigure({ data: [{ x: [1] }], layout });
  assert.deepEqual(drawn.layout, layout);
  assert.deepEqual(drawn.config, { displaylogo: false, responsive: false });
  assert.deepEqual(screenFigure({ data: [], layout: {}, config: { scrollZoom: true } }).config.scrollZoom, true);
});

test("a wide figure takes the width of its place; its texts shrink to 800 pixels, its legend gets the rows it needs", () => {
  const print = wide();
  const { layout, data } = screenFigure(print);
  assert.deepEqual([layout.width, layout.autosize], [undefined, true]);
  assert.deepEqual(layout.font, { ...(print.layout.font as object), size: 11.5 });
  const more = Number(layout.height) - Number(print.layout.height);
  assert.equal(more > 10 && more < 30, true, `${more} pixels for one row`);
  const margin = print.layout.margin as { t: number };
  assert.deepEqual(layout.margin, { ...margin, t: margin.t + more });
  assert.deepEqual(data[0]!.hoverlabel, { namelength: -1 });
  assert.equal(print.layout.width, 972, "the print figure is left alone");
});

/** Pairs of texts that touch, texts outside the figure and its size; runs in the page. */
const MEASURE = `async (figure, width) => {
  document.body.innerHTML = '<div id="figure" style="width: ' + width + 'px"></div>';
  const div = document.getElementById("figure");
  await Plotly.react(div, figure.data, figure.layout, figure.config);
  await Plotly.Plots.resize(div);
  const whole = div.querySelector(".main-svg").getBoundingClientRect();
  const point = { curveNumber: figure.data.length - 1, pointNumber: 9 };
  Plotly.Fx.hover(div, [point], ["x4y4"]);
  const texts = [...div.querySelectorAll(".main-svg text")]
    .filter(({ textContent }) => textContent.trim() !== "")
    .map((text) => ({ text, box: text.getBoundingClientRect() }));
  const inside = ({ box }) => box.left >= 0 && box.top >= 0 && box.right <= whole.right && box.bottom <= whole.bottom;
  const isHover = ({ text }) => text.closest(".hoverlayer") !== null;
  const touch = (a, b) => a.box.left < b.box.right && b.box.left < a.box.right && a.box.top < b.box.bottom - 3 &&
    b.box.top < a.box.bottom - 3 && !/rotate\\(-90/.test(a.text.getAttribute("transform") + b.text.getAttribute("transform"));
  const still = texts.filter((text) => !isHover(text));
  return {
    width: whole.width,
    height: whole.height,
    outside: texts.filter((text) => !inside(text)).map(({ text }) => text.textContent),
    touching: still.flatMap((a, i) => still.slice(i + 1).filter((b) => touch(a, b)).map((b) => a.text.textContent + "|" + b.text.textContent)),
    hover: texts.filter(isHover).map(({ text }) => text.textContent).join(" "),
  };
}`;

interface Measured {
  width: number;
  height: number;
  outside: string[];
  touching: string[];
  hover: string;
}
const measure = (figure: object, width: number): Promise<Measured> =>
  withPage((page) => page.evaluate<Measured>(`(${MEASURE})(${JSON.stringify(figure)}, ${width})`));

test("from 800 to 1500 pixels no text is cut or touches another, also under the pointer", async () => {
  const figure = screenFigure(wide());
  for (const width of [800, 848, 1500]) {
    const { hover, ...measured } = await measure(figure, width);
    assert.deepEqual(measured, { width, height: figure.layout.height, outside: [], touching: [] });
    assert.match(hover, /PLW 1, pocket-1 seed 42/);
    assert.match(hover, /Another/);
  }
  const { outside, touching } = await measure({ ...wide(), layout: { ...wide().layout, width: 800 } }, 800);
  assert.notDeepEqual([...outside, ...touching], [], "the print figure does not fit");
});
