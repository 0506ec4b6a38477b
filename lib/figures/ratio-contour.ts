// The fitted interaction of weight and generation ratio, with the data on it: Figures 3, 7, 8 and 9.
import { PLW_AXIS_IN_WORDS } from "./captions";
import { groupBy, mean } from "../data/group";
import type { RatioFit } from "../analysis/ratio-fits";
import type { Figure, Layout, Trace } from "./figure";
import { axis, baseLayout, COLUMN_INCHES, INK, SMALL, sequentialColor, TEXT, plwAxis } from "./theme";
import { untransformWeight } from "../data/prompt-loss-weight";

const POINTS = 61;
const SCALE = Array.from({ length: 9 }, (_, i) => [i / 8, sequentialColor(i / 8)]);
const MARGIN = { l: 66, r: 84, t: 14, b: 56 };
const width = (): number => Math.round(COLUMN_INCHES * 144);

/**
 * Predictions of the smooth over w_p and R_g (on a log scale, because the data sets are spread over orders of
 * magnitude), the data in the same colors, and the recommended weight along the ratios.
 * @throws {RangeError} for a group without a fit; its `summary` says why
 */
export function drawRatioContour(
  { group, rows, fit, summary }: RatioFit,
  { name, caption }: { name: string; caption: string },
): Figure {
  const smooth = fit?.smooths[0];
  if (!fit || !smooth) throw new RangeError(`${name} cannot be drawn: ${summary}`);
  const ratios = rows.map(({ r }) => r!);
  const [low, high] = [Math.log10(Math.min(...ratios)), Math.log10(Math.max(...ratios))];
  const along = Array.from({ length: POINTS }, (_, i) => i / (POINTS - 1));
  const highest = Math.max(1, ...rows.map(({ w_p }) => w_p));
  const weights = along.map((part) => part * highest);
  const ratioGrid = along.map((part) => 10 ** (low + part * (high - low)));
  const surface = ratioGrid.map((r) =>
    smooth.predict(weights.map((w_p) => ({ r, w_p, w: untransformWeight(w_p) }))).map((point) => point.fit),
  );
  // the mean score of a design point, less the level of its benchmarks: what the smooth stands for
  const level = fit.predict([...rows]).map((point, i) => point.fit - smooth.predict([rows[i]])[0].fit);
  const points = [
    ...groupBy(
      rows.map((row, i) => ({ ...row, rest: row.score - level[i] })),
      ({ w_p, r }) => JSON.stringify([w_p, r]),
    ).values(),
  ].map((own) => ({
    w: own[0].w,
    w_p: own[0].w_p,
    r: own[0].r!,
    score: mean(own.map(({ rest }) => rest)),
    scores: own.length,
  }));
  const all = [...surface.flat(), ...points.map(({ score }) => score)];
  const color = { cmin: Math.min(...all), cmax: Math.max(...all) };
  const best = surface.map((line) => weights[line.indexOf(Math.max(...line))]);
  return {
    name,
    spec: {
      data: [
        {
          type: "contour",
          name: "fitted",
          x: weights,
          y: ratioGrid,
          z: surface,
          colorscale: SCALE,
          zmin: color.cmin,
          zmax: color.cmax,
          ncontours: 14,
          contours: { coloring: "fill", showlines: true },
          line: { color: "rgba(255,255,255,0.55)", width: 1 },
          colorbar: {
            title: { text: "score", font: { size: TEXT } },
            thickness: 14,
            outlinewidth: 0,
            tickfont: { size: SMALL },
            x: 1.02,
            xpad: 4,
            nticks: 6,
          },
          hovertemplate: "w_p %{x:.2f}, R_g %{y:.2f}: %{z:.3f}<extra></extra>",
        },
        ridge(best, ratioGrid),
        {
          type: "scatter",
          mode: "markers",
          name: "data",
          x: points.map(({ w_p }) => w_p),
          y: points.map(({ r }) => r),
          showlegend: false,
          cliponaxis: false,
          marker: {
            size: 11,
            color: points.map(({ score }) => score),
            colorscale: SCALE,
            ...color,
            line: { color: "white", width: 1.5 },
          },
          text: points.map(({ w, r, score }) => `PLW ${w}, R_g ${r.toPrecision(3)}: ${score.toFixed(3)}`),
          hoverinfo: "text",
        },
      ],
      layout: baseLayout(
        { width: COLUMN_INCHES, height: 2.5 },
        {
          xaxis: {
            ...plwAxis(
              rows.map(({ w }) => w),
              width() - MARGIN.l - MARGIN.r,
            ),
            showgrid: false,
          },
          yaxis: ratioAxis(low, high),
          margin: MARGIN,
          showlegend: false,
        },
      ),
    },
    rows: [
      ...ratioGrid.flatMap((r, i) =>
        weights.map((w_p, j) => ({
          part: "fitted",
          plw: untransformWeight(w_p),
          transformedPlw: w_p,
          generationRatio: r,
          score: surface[i][j],
          scores: null,
        })),
      ),
      ...points.map(({ w, w_p, r, score, scores }) => ({
        part: "data",
        plw: w,
        transformedPlw: w_p,
        generationRatio: r,
        score,
        scores,
      })),
    ],
    caption:
      `${caption} Contribution of weight and generation ratio to the min-max transformed score ` +
      `(${group}: ${rows.length} scores, average 0), fitted by ${fit.formula}, ${fit.criterion.method}. ` +
      "Points are mean scores minus the levels of their benchmarks, in the same colors; the dashed line is the " +
      `weight with the highest prediction at each ratio. ${PLW_AXIS_IN_WORDS}.`,
  };
}

/** The best weight at each ratio, broken where it jumps. */
function ridge(best: readonly number[], ratios: readonly number[]): Trace {
  const x: (number | null)[] = [],
    y: (number | null)[] = [];
  best.forEach((weight, i) => {
    if (i > 0 && Math.abs(weight - best[i - 1]) > 0.12) {
      x.push(null);
      y.push(null);
    }
    x.push(weight);
    y.push(ratios[i]);
  });
  return {
    type: "scatter",
    mode: "lines",
    name: "best weight",
    x,
    y,
    line: { color: INK, width: 2.5, dash: "dash" },
    showlegend: false,
    hoverinfo: "skip",
  };
}

function ratioAxis(low: number, high: number): Layout {
  const margin = 0.05 * Math.max(high - low, 0.1);
  const range = [low - margin, high + margin];
  const ticks = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100].filter(
    (ratio) => Math.log10(ratio) >= range[0] && Math.log10(ratio) <= range[1],
  );
  return axis("generation ratio R<sub>g</sub>", { type: "log", range, tickvals: ticks, ticktext: ticks.map(String) });
}

/**
 * Figure 3, the interaction of generation ratio and prompt loss weight over all benchmarks.
 * @param fit group All of `fitRatios`
 * @throws {RangeError} if that group could not be fitted
 */
export function figure3(fit: RatioFit): Figure {
  return drawRatioContour(fit, {
    name: "figure3",
    caption: "The interaction of generation ratio and prompt loss weight over all benchmarks.",
  });
}

/**
 * Figure 7, the interaction of generation ratio and prompt loss weight over all benchmarks; the same as Figure 3.
 * @param fit group All of `fitRatios`
 * @throws {RangeError} if that group could not be fitted
 */
export function figure7(fit: RatioFit): Figure {
  return drawRatioContour(fit, {
    name: "figure7",
    caption: "The interaction of generation ratio and prompt loss weight over all benchmarks; the same as Figure 3.",
  });
}

/**
 * Figure 8, the interaction of generation ratio and prompt loss weight over the multiple choice benchmarks.
 * @param fit group MC of `fitRatios`
 * @throws {RangeError} if that group could not be fitted
 */
export function figure8(fit: RatioFit): Figure {
  return drawRatioContour(fit, { name: "figure8", caption: "The interaction over the multiple choice benchmarks." });
}

/**
 * Figure 9, the interaction of generation ratio and prompt loss weight over the generation benchmarks except
 * translation.
 * @param fit group Gen of `fitRatios`
 * @throws {RangeError} if that group could not be fitted
 */
export function figure9(fit: RatioFit): Figure {
  return drawRatioContour(fit, {
    name: "figure9",
    caption: "The interaction over the generation benchmarks except translation.",
  });
}
