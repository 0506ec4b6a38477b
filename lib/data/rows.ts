// Rows of either kind: in Alpaca's format, or conversations. A data set has rows of one kind.
import { createHash } from "node:crypto";
import { examplesDigest } from "./digest";
import { readConversations } from "./conversation-rows";
import { DataError } from "./errors";
import { checkExamples, type Example } from "./example";
import { describeValue } from "./read-json";
import { isConversation, type Conversation } from "./message";

/** A row of a data set. */
export type Row = Example | Conversation;

/** Whether the rows of a data set are conversations. */
export const areConversations = (rows: readonly Row[]): rows is readonly Conversation[] =>
  rows.length > 0 && rows.every(isConversation);

/**
 * Reads rows in memory of either kind, as `readExamples` reads those of a file: conversations in any of their formats,
 * with what they say of their own weights; an `input` that is absent is empty.
 * @throws {DataError} listing every invalid row; also for rows of both kinds
 */
export function checkDataRows(rows: readonly unknown[], where: string): Row[] {
  if (!Array.isArray(rows)) throw new DataError(`${where}: the rows are ${describeValue(rows)}, not an array`);
  return (
    readConversations(
      Array.from(rows, (value: unknown) => ({ value })),
      where,
    ) ?? checkExamples(rows, where)
  );
}

/**
 * Returns rows that must be in Alpaca's format.
 * @param what needs them, for the error
 * @throws {DataError} for conversations
 */
export function onlyExamples(what: string, rows: readonly Row[]): Example[] {
  const row = rows.findIndex(isConversation);
  if (row < 0) return rows as Example[];
  throw new DataError(
    `${what}: row ${row + 1} is a conversation, and this needs rows with instruction, input and output; ` +
      "give it a data set in Alpaca's format",
  );
}

/**
 * Computes the digest of a data set over everything of its rows that decides tokens and loss weights, in order. That of
 * rows in Alpaca's format is `examplesDigest`.
 * @returns SHA-256, 64 lowercase hexadecimal digits
 */
export function rowsDigest(rows: readonly Row[]): string {
  if (!rows.some(isConversation)) return examplesDigest(rows as Example[]);
  const hash = createHash("sha256").update("conversations\n");
  for (const row of rows) hash.update(JSON.stringify(row)).update("\n");
  return hash.digest("hex");
}

/** Total characters (UTF-16 code units) of the rows' texts, as a measure of the work to train on them. */
export function characterCount(rows: readonly Row[]): number {
  const count = (row: Row): number =>
    isConversation(row)
      ? JSON.stringify(row.tools ?? []).length +
        row.messages.reduce(
          (sum, { content, reasoning_content = "", tool_calls = [] }) =>
            sum + content.length + reasoning_content.length + JSON.stringify(tool_calls).length,
          0,
        )
      : row.instruction.length + row.input.length + row.output.length;
  return rows.reduce((sum, row) => sum + count(row), 0);
}
