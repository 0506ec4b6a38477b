// Ids and assistant masks of TRL's chat templates with generation tags, against Transformers. TRL is not part of the
// repository: reference/trl_templates.py reads it where PROMPTLOSS_TRL names a Python that has it.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { encodeConversation } from "../../lib/data/encode-conversation";
import { DataError } from "../../lib/data/errors";
import type { Message } from "../../lib/data/message";
import { loadTokenizer } from "../../lib/data/tokenizer";

interface Reference {
  trl: string;
  transformers: string;
  date: string;
  tools: unknown[];
  chats: Record<string, Message[]>;
  answers: Record<string, Record<string, { refused?: string; text: string; ids: number[]; mask: number[] }>>;
}

/** The greatest share of pairs that need not be compared. */
const MOST_SKIPPED = 1 / 5;

const python = process.env.PROMPTLOSS_TRL;

describe("TRL's templates", { skip: python ? false : "needs PROMPTLOSS_TRL, the path of a Python with trl" }, () => {
  if (python === undefined) return;
  const folder = mkdtempSync(join(tmpdir(), "promptloss-trl-"));
  after(() => rmSync(folder, { recursive: true }));
  const script = join("tests", "data", "reference", "trl_templates.py");
  const { trl, transformers, date, tools, chats, answers } = JSON.parse(
    execFileSync(python, [script, folder], {
      encoding: "utf8",
      maxBuffer: 2 ** 28,
      stdio: ["ignore", "pipe", "ignore"],
    }),
  ) as Reference;
  const skipped: string[] = [];
  let pairs = 0;

  for (const [name, byChat] of Object.entries(answers)) {
    test(`${name}: ids and assistant mask`, () => {
      const tokenizer = loadTokenizer(join(folder, name));
      const template = { ...tokenizer.chatTemplate!, date };
      for (const [chat, expected] of Object.entries(byChat)) {
        pairs++;
        const row = { messages: chats[chat]!, ...(chat === "tool call" && { tools }) };
        let found;
        try {
          found = encodeConversation(row, tokenizer, { template, name: chat });
        } catch (error) {
          assert.ok(error instanceof DataError, String(error));
          const theirs = expected.refused === undefined ? "" : `; Transformers: ${expected.refused}`;
          skipped.push(`${name}, ${chat}: ${error.message}${theirs}`);
          continue;
        }
        assert.equal(expected.refused, undefined, `${chat}: Transformers refuses what was encoded`);
        assert.deepEqual(found.ids, expected.ids, `${chat}: ids`);
        assert.deepEqual(found.completion.map(Number), expected.mask, `${chat}: mask`);
        // whatever is learned is of an assistant's message
        found.completion.forEach((learned, t) => {
          const message = found.messages[t]!;
          if (learned)
            assert.equal(row.messages[message]?.role, "assistant", `${chat}: token ${t} is of message ${message}`);
        });
      }
    });
  }

  test(`pairs that are not compared are at most a fifth (trl ${trl}, Transformers ${transformers})`, (context) => {
    for (const line of skipped) context.diagnostic(line);
    context.diagnostic(
      `${skipped.length} of ${pairs} pairs of ${Object.keys(answers).length} templates are not compared`,
    );
    assert.ok(pairs >= 24 * 5, `only ${pairs} pairs`);
    assert.ok(skipped.length <= MOST_SKIPPED * pairs, `${skipped.length} of ${pairs} pairs are not compared`);
  });
});
