// Coverage of the GLMM's 95 % intervals over simulated studies with five models.
//
//   node --import tsx bench/coverage.ts [number of studies, default 200]
import { coverage } from "./simulated-scores";

const studies = Number(process.argv[2] ?? 200);
const started = performance.now();
const elapsed = () => `${((performance.now() - started) / 1000).toFixed(0)} s`;
const { linear, quadratic, fits, singular } = coverage(
  Array.from({ length: studies }, (_, i) => i + 1),
  5,
  (done) => {
    if (done % 20 === 0) console.error(`${done} of ${studies} studies, ${elapsed()}`);
  },
);
console.log(
  `${fits} studies of 650 scores, ${elapsed()}: the 95 % intervals cover the linear slope in ` +
    `${(100 * linear).toFixed(1)} % and the quadratic slope in ${(100 * quadratic).toFixed(1)} % of the studies; ` +
    `${singular} fits were not regular.`,
);
