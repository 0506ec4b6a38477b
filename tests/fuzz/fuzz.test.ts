import assert from "node:assert/strict";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Campaign, countsText, failureText } from "./campaign";
import { FORMATS } from "./formats";

/** Inputs of each format; FUZZ_SEED=n draws others, and tests/fuzz/fuzz.ts goes on for longer. */
const COUNT = 120;
const SEED = Number(process.env.FUZZ_SEED || 1);

test("every damaged file gives the right value, or an error of ours with file and place", async (t) => {
  t.diagnostic(`seed ${SEED}; FUZZ_SEED=n draws other inputs`);
  const campaign = new Campaign(SEED, join(tmpdir(), "promptloss-fuzz"));
  try {
    for (const { name } of FORMATS) await campaign.run(name, 0, COUNT);
  } finally {
    campaign.close();
  }
  for (const line of countsText(campaign.counts).split("\n")) t.diagnostic(line);
  assert.deepEqual(campaign.failures.map(failureText), []);
  for (const { name } of FORMATS) {
    const { inputs, read, refused } = campaign.counts.get(name)!;
    assert.equal(inputs, COUNT, name);
    assert.ok(read > 0 && (refused > 0 || name === "checkpoint" || name === "journal"), `${name}: both outcomes occur`);
  }
});
