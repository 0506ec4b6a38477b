// Coverage of the GLMM's 95 % intervals over 200 simulated studies with five models: npx tsx bench/coverage.ts [studies]
import { coverage } from "./simulated-scores";

const studies = Number(process.argv[2] ?? 200);
const began = performance.now();
const { linear, quadratic, fits, singular } = coverage(
  Array.from({ length: studies }, (_, i) => i + 1),
  5,
  (done) => {
    if (done % 20 === 0)
      console.error(`${done} of ${studies} studies, ${((performance.now() - began) / 1000).toFixed(0)} s`);
  },
);
console.log(
  `${fits} studies of 650 scores, ${((performance.now() - began) / 1000).toFixed(0)} s: the 95 % intervals hold the linear slope in ${(100 * linear).toFixed(1)} %, ` +
    `the quadratic in ${(100 * quadratic).toFixed(1)} %; ${singular} fits were not regular.`,
);
