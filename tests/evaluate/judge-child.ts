// Process that judge.test.ts kills: judges the given items one at a time.
import { judgeOutputs, type JudgedItem } from "../../lib/evaluate/judge/judge";
import { openAiJudge } from "../../lib/evaluate/judge/judge-openai";

const [url, cacheFile, items] = process.argv.slice(2);

void judgeOutputs({
  judge: openAiJudge({ url, model: "test-judge", concurrency: 1 }),
  items: JSON.parse(items) as JudgedItem[],
  cacheFile,
});
