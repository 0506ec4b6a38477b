// Worker process of `measureRates`: measures training steps.
import { measureRate } from "../../train/measure-rate";
import type { TrainingRate } from "../../train/training-volume";
import { serveJobs } from "../../workers/serve";
import type { RateJob } from "./rate-job";

serveJobs<RateJob, never, { rates: TrainingRate[]; seconds: number }>(({ work, seconds }) => {
  const started = performance.now();
  const rates = work.map((each) => measureRate(each, seconds));
  return Promise.resolve({ rates, seconds: (performance.now() - started) / 1000 });
});
