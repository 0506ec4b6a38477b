// A study of conversations, with weights of the completion and of parts, through all notebooks.
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { Recipe } from "../../lib/runs/recipe";
import { executeNotebooks, NAMES, outputsOf, textOf, type Execution } from "./execute";
import { writeTinyChat } from "./tiny-study";

const folder = mkdtempSync(join(tmpdir(), "promptloss-chat-"));
after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 }));
let execution: Execution;

before(async () => {
  execution = await executeNotebooks(NAMES, writeTinyChat(folder), folder);
});

const shown = (number: string): string =>
  textOf(execution.executed.get(NAMES.find((name) => name.startsWith(number))!)!);

for (const name of NAMES) {
  test(`${name} runs on conversations without an error or a warning`, () => {
    assert.ok(execution.executed.has(name), execution.failures.get(name));
    for (const output of outputsOf(execution.executed.get(name)!)) {
      assert.notEqual(output.output_type, "error", output.evalue);
      assert.notEqual(output.name, "stderr", String(output.text));
    }
  });
}

test("01 shows the turns, 03 says that prompts went through the chat template", () => {
  assert.match(shown("01"), /by turn/);
  assert.match(shown("03"), /results are of prompts through a chat template \(chat\)/);
});

test("every run is trained through the template, and those of the study are scored on held-out conversations", () => {
  const runs = join(folder, "runs");
  const ids = readdirSync(runs).filter((id) => existsSync(join(runs, id, "run.json")));
  const scored = ids.filter((id) => {
    const { recipe } = JSON.parse(readFileSync(join(runs, id, "run.json"), "utf8")) as { recipe: Recipe };
    assert.equal(recipe.template.name, "chat", id);
    const scores = join(runs, id, "scores");
    return existsSync(scores) && readdirSync(scores).some((file) => file.startsWith("heldout-loss."));
  });
  assert.ok(scored.length >= 3 * 2 * 2 * 2, `${scored.length} of ${ids.length}`);
});
