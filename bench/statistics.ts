// CPU time of one fit of the default GLMM on 260 scores and of the default GAM on 1,300, compared with R's if Rscript
// with glmmTMB and mgcv is installed. Every side and fit has its own process, and the sides take turns. A process fits
// nine times and gives the median; since R's clock shows milliseconds, its GAMs are timed five at a time.
//
//   node --import tsx bench/statistics.ts [rounds, default 3]
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { fitBetaGlmm } from "../lib/stats/beta-glmm/fit";
import { fitGam } from "../lib/stats/gam/fit";
import { groupBy } from "../lib/data/group";
import { quantile } from "../lib/metrics/quantile";
import { simulatedScores } from "./simulated-scores";
import { minMaxScale } from "../lib/analysis/score-rows";

const FITS = 9;

const glmmRows = simulatedScores(1, 2);
const scores = [0.042, 0.082, 1, 3.27, 7.83].flatMap((r, i) =>
  simulatedScores(10 + i, 2).map((row) => ({ ...row, r })),
);
const gamRows = [...groupBy(scores, ({ r, b }) => `${r} ${b}`).values()].flatMap((group) => {
  const { scale } = minMaxScale(group.map(({ score }) => score))!;
  return group.map((row) => ({ ...row, score: scale(row.score) }));
});

/** The same fit here and in R, where `d` is the data. */
const cases = [
  {
    name: "beta GLMM, 260 rows",
    rows: glmmRows,
    fit: () => fitBetaGlmm(glmmRows),
    r: `glmmTMB(score ~ poly(w_p, 2, raw = TRUE) + (0 + poly(w_p, 2, raw = TRUE) | b) + (1 | m), data = d,
                family = beta_family())`,
    fitsPerTime: 1,
  },
  {
    name: "GAM by GCV, 1,300 rows",
    rows: gamRows,
    fit: () => fitGam(gamRows),
    r: "gam(score ~ te(w, r, k = 3) + factor(b), data = d)",
    fitsPerTime: 5,
  },
  {
    name: "GAM by REML, 1,300 rows",
    rows: gamRows,
    fit: () => fitGam(gamRows, { method: "REML" }),
    r: 'gam(score ~ te(w, r, k = 3) + factor(b), data = d, method = "REML")',
    fitsPerTime: 5,
  },
];

const median = (values: readonly number[]): number => quantile(values, 0.5);

/** Milliseconds of user and system time of one fit in this process, compilation and collection of garbage included. */
function timed(fit: () => unknown): number {
  return median(
    Array.from({ length: FITS }, () => {
      const started = process.cpuUsage();
      fit();
      const { user, system } = process.cpuUsage(started);
      return (user + system) / 1000;
    }),
  );
}

/** Runs a program in `folder` and returns the number that it prints; null if it fails. */
function printed(program: string, args: string[], folder?: string): number | null {
  const { status, stdout } = spawnSync(program, args, { cwd: folder, encoding: "utf8" });
  return status === 0 ? Number(stdout) : null;
}

function compare(rounds: number): void {
  console.log(cpus()[0].model);
  const folder = mkdtempSync(join(tmpdir(), "promptloss-"));
  for (const [index, { name, rows, r, fitsPerTime }] of cases.entries()) {
    const csv = [Object.keys(rows[0]).join(), ...rows.map((row) => Object.values(row).join())].join("\n");
    writeFileSync(join(folder, "rows.csv"), csv);
    const script = `
      suppressMessages({ library(glmmTMB); library(mgcv) })
      d <- read.csv("rows.csv")
      time <- function() sum(system.time(for (i in 1:${fitsPerTime}) ${r})[1:2]) / ${fitsPerTime}
      cat(1000 * median(replicate(${FITS}, time())))`;
    const pairs = Array.from({ length: rounds }, () => ({
      ours: printed(process.execPath, ["--import", "tsx", __filename, "--fit", String(index)])!,
      theirs: printed("Rscript", ["-e", script], folder),
    }));
    const ours = pairs.map((pair) => pair.ours);
    console.log(`${name}: ${median(ours).toFixed(1)} ms (${ours.map((ms) => ms.toFixed(1)).join(", ")})`);
    const theirs = pairs.flatMap((pair) => pair.theirs ?? []);
    if (theirs.length < rounds) continue;
    const ratios = theirs.map((ms, i) => ms / ours[i]);
    console.log(`  R ${median(theirs).toFixed(1)} ms (${theirs.map((ms) => ms.toFixed(1)).join(", ")})`);
    console.log(`  R / ours ${median(ratios).toFixed(2)} (${ratios.map((ratio) => ratio.toFixed(2)).join(", ")})`);
  }
  rmSync(folder, { recursive: true });
}

if (process.argv[2] === "--fit") console.log(timed(cases[Number(process.argv[3])].fit));
else compare(Number(process.argv[2] ?? 3));
