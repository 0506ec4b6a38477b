// Loss curves as a Plotly figure: the picture that remains at the end.
import { axis, baseLayout, escapeText, LINE, panelTitle } from "../figures/theme";
import { PIXELS_PER_INCH } from "../figures/figure";
import type { PlotlyFigure } from "./display";
import {
  LABEL,
  LEADER,
  livePanels,
  panelSize,
  pictureHeight,
  SIZE,
  type LiveCurve,
  type LivePanel,
} from "./live-curves";

/** Draws the curves as a Plotly figure that looks like `curvesSvg`, and shows a loss where the pointer is. */
export function curvesPlotly(curves: readonly LiveCurve[]): Required<PlotlyFigure> {
  const panels = livePanels(curves);
  const height = pictureHeight(curves);
  const { width, left, right, top, gap } = SIZE;
  const plot = { width: width - left - right, height: panelSize().height };
  const domain = (i: number): [number, number] => [
    (i * (panelSize().width + gap)) / plot.width,
    (i * (panelSize().width + gap) + panelSize().width) / plot.width,
  ];
  const suffix = (i: number): string => (i === 0 ? "" : String(i + 1));
  const axes = panels.flatMap(({ x, y }, i) => [
    [
      `xaxis${suffix(i)}`,
      { ...axis("step"), anchor: `y${suffix(i)}`, domain: domain(i), range: x, nticks: 6, showgrid: false },
    ],
    [`yaxis${suffix(i)}`, { ...axis("nats a token"), anchor: `x${suffix(i)}`, range: y, nticks: 6, showgrid: true }],
  ]);
  const titles = panels.map(({ title }, i) =>
    panelTitle(`(${"ab"[i]}) ${title}`, (domain(i)[0] + domain(i)[1]) / 2, 1),
  );
  return {
    data: panels.flatMap((panel, i) => traces(panel, `x${suffix(i)}`, `y${suffix(i)}`, i === 0)),
    layout: baseLayout(
      { width: width / PIXELS_PER_INCH, height: height / PIXELS_PER_INCH },
      {
        ...Object.fromEntries(axes),
        margin: { l: left, r: right, t: top, b: height - top - plot.height, autoexpand: false },
        annotations: [...titles, ...panels.flatMap((panel, i) => labels(panel, `x${suffix(i)}`, `y${suffix(i)}`))],
        showlegend: curves.some(({ name }) => name !== ""),
        legend: {
          orientation: "h",
          font: { size: LABEL },
          x: 0,
          y: -(SIZE.bottom + 10) / plot.height,
          yanchor: "top",
          entrywidth: plot.width / 2 - 48,
          itemclick: false,
          itemdoubleclick: false,
        },
      },
    ),
    config: { displaylogo: false, responsive: false },
  };
}

function traces({ lines }: LivePanel, x: string, y: string, showlegend: boolean): PlotlyFigure["data"] {
  return lines.map(({ curve: { name, color, dash, opacity }, points }) => ({
    type: "scatter",
    mode: points.length === 1 ? "markers" : "lines",
    name: escapeText(name),
    showlegend: showlegend && name !== "",
    xaxis: x,
    yaxis: y,
    x: points.map((point) => point.x),
    y: points.map((point) => Number(point.y.toFixed(4))),
    opacity: Number(opacity.toFixed(2)),
    line: { color, dash, width: LINE },
    marker: { color },
    hovertemplate: `step %{x}: %{y:.4f}<extra>${escapeText(name)}</extra>`,
  }));
}

/** Labels right of the ends of the curves; a line connects each with its curve. */
function labels({ y: [low, high], lines }: LivePanel, xref: string, yref: string): PlotlyFigure["data"] {
  const perNat = panelSize().height / (high - low);
  return lines.flatMap(({ curve, points, label }) => {
    const end = points.at(-1)!;
    if (curve.label === "") return [];
    return [
      {
        text: escapeText(curve.label),
        ...{ xref, yref, x: end.x, y: end.y, ax: LEADER, ay: (end.y - label.y) * perNat, xanchor: "left" },
        ...{ showarrow: true, arrowhead: 0, arrowwidth: 1, arrowcolor: curve.color, standoff: 0, borderpad: 0 },
        font: { size: LABEL },
      },
    ];
  });
}
