// Fitting times of the default GLMM on 260 scores and of the default GAM on 1,300, compared with R's if Rscript is
// installed.
//
//   node --import tsx bench/statistics.ts
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fitBetaGlmm } from "../lib/stats/beta-glmm/fit";
import { fitGam } from "../lib/stats/gam/fit";
import { groupBy } from "../lib/data/group";
import { simulatedScores } from "./simulated-scores";
import { minMaxScale } from "../lib/analysis/score-rows";

const glmmRows = simulatedScores(1, 2);
const scores = [0.042, 0.082, 1, 3.27, 7.83].flatMap((r, i) =>
  simulatedScores(10 + i, 2).map((row) => ({ ...row, r })),
);
const gamRows = [...groupBy(scores, ({ r, b }) => `${r} ${b}`).values()].flatMap((group) => {
  const { scale } = minMaxScale(group.map(({ score }) => score))!;
  return group.map((row) => ({ ...row, score: scale(row.score) }));
});

const R = `
suppressMessages({ library(glmmTMB); library(mgcv) })
time <- function(f) { f(); min(replicate(3, system.time(f())[["elapsed"]])) }
d <- read.csv("glmm.csv"); e <- read.csv("gam.csv")
glmm <- score ~ poly(w_p, 2, raw = TRUE) + (0 + poly(w_p, 2, raw = TRUE) | b) + (1 | m)
additive <- score ~ te(w, r, k = 3) + factor(b)
cat(time(function() glmmTMB(glmm, data = d, family = beta_family())),
    time(function() gam(additive, data = e)),
    time(function() gam(additive, data = e, method = "REML")))
`;

/** Seconds of the fastest of three runs, after one warm-up run. */
function time(run: () => unknown): number {
  run();
  return Math.min(
    ...[0, 1, 2].map(() => {
      const started = performance.now();
      run();
      return (performance.now() - started) / 1000;
    }),
  );
}

function timesInR(): number[] | null {
  const folder = mkdtempSync(join(tmpdir(), "promptloss-"));
  const csv = (rows: object[]): string =>
    [Object.keys(rows[0]).join(), ...rows.map((row) => Object.values(row).join())].join("\n");
  writeFileSync(join(folder, "glmm.csv"), csv(glmmRows));
  writeFileSync(join(folder, "gam.csv"), csv(gamRows));
  const { status, stdout } = spawnSync("Rscript", ["-e", R], { cwd: folder, encoding: "utf8" });
  rmSync(folder, { recursive: true });
  return status === 0 ? stdout.trim().split(/\s+/).map(Number) : null;
}

const ours = [
  time(() => fitBetaGlmm(glmmRows)),
  time(() => fitGam(gamRows)),
  time(() => fitGam(gamRows, { method: "REML" })),
];
const theirs = timesInR();
if (!theirs) console.log("Rscript with glmmTMB and mgcv was not found; only our times are shown.");
["beta GLMM, 260 rows", "GAM by GCV, 1,300 rows", "GAM by REML, 1,300 rows"].forEach((name, i) => {
  console.log(`${name}: ${ours[i].toFixed(3)} s${theirs ? `, R ${theirs[i].toFixed(3)} s` : ""}`);
});
