import { conversationFormat, readConversation } from "./conversation";
import { DataError } from "./errors";
import type { Conversation } from "./message";
import { describeValue } from "./read-json";
import type { RawRow } from "./read-rows";
import { listedProblems, withoutLines, type RowProblem } from "./row-problems";
import { isObject } from "./validate";

/**
 * Reads rows of a file, or in memory, as conversations, all in the format of the first row.
 *
 * @returns undefined if no row holds a conversation
 * @throws {DataError} listing every invalid row; also if some rows are of another kind
 */
export function readConversations(rows: readonly RawRow[], where: string): Conversation[] | undefined {
  const formats = rows.map(({ value }) => (isObject(value) ? conversationFormat(value) : undefined));
  const format = formats.find((one) => one !== undefined);
  if (format === undefined) return undefined;
  const problems: RowProblem[] = [];
  const conversations = rows.flatMap(({ value, line, problem }, row) => {
    const fault = (text: string): [] => {
      problems.push({ row, line, problem: text });
      return [];
    };
    if (problem !== undefined) return fault(problem);
    if (!isObject(value)) return fault(`is ${describeValue(value)}, not an object with ${format}`);
    if (formats[row] !== format)
      return fault(`has ${formats[row] ?? "no conversation"}, but other rows have ${format}; give rows of one kind`);
    const read = readConversation(value, format);
    if ("conversation" in read) return [read.conversation];
    problems.push(...read.problems.map((one) => ({ row, line, ...one })));
    return [];
  });
  if (problems.length > 0) throw invalid(where, rows.length, problems, format);
  return conversations;
}

function invalid(where: string, rows: number, problems: RowProblem[], format: string): DataError {
  const count = new Set(problems.map(({ row }) => row)).size;
  return new DataError(
    `${where}: ${count} of ${rows} rows cannot be used; the rows are conversations (${format}):\n${listedProblems(problems)}`,
    withoutLines(problems),
  );
}
