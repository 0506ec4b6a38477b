// Errors as Jupyter wants them: {ename, evalue, traceback: lines}.
const { inspect } = require("node:util");
const { limited } = require("./text.cjs");

/** Thrown by and reported for a cell that was stopped with ■; `AbortSignal.reason` of its signal. */
class Interrupted extends Error {
  name = "Interrupted";
}

/** Longest message, and longest description, in UTF-16 code units. */
const LONGEST = 100_000;

/** How cells are named in stack traces. */
const cellName = (count) => `cell [${count}]`;
const CELL_POSITION = /cell \[(\d+)\]:(\d+):(\d+)/g;

/** @param thrown anything: looking at it may throw again
 *  @param cells count -> { code, position } of the cells so far
 *  @param root paths below it are shown relative to it */
function thrownError(thrown, cells, root) {
  const isError = isA(thrown, Error) || typeof part(thrown, "stack") === "string";
  const message = limited(isError ? messageOf(thrown) : described(thrown), LONGEST);
  if (!isError) return { ename: "Error", evalue: message, traceback: [`Thrown: ${message}`] };

  const ename = limited(safely(() => String(thrown.name || "Error")) ?? "Error", LONGEST);
  let first = null;
  // To describe a message of hundreds of megabytes takes a minute.
  const text = message.length < LONGEST ? limited(described(thrown), LONGEST) : `${ename}: ${message}`;
  const lines = text
    .split("\n")
    .filter((line) => !isFrame(line) || !isOurs(line))
    .map((line) =>
      line
        .replaceAll(CELL_POSITION, (_, count, row, column) => {
          const at = cells.get(Number(count))?.position(Number(row), Number(column));
          if (!at) return cellName(count);
          first ??= { count: Number(count), ...at };
          return `${cellName(count)}:${at.line}:${at.column}`;
        })
        .replaceAll(`${root}/`, ""),
    );
  if (first) lines.push("", ...excerpt(cells.get(first.count).code, first.line, first.count));
  return { ename, evalue: message, traceback: lines };

  function isOurs(line) {
    return (
      line.includes(`${root}/kernel/`) ||
      line.includes("(node:") ||
      line.includes("at node:") ||
      /at new Promise \(<anonymous>\)|lines matching cause/.test(line)
    );
  }
}

/** The message of an error, or of anything else that was thrown as one. */
function messageOf(thrown) {
  return safely(() => String(thrown?.message ?? thrown)) ?? UNREADABLE;
}

const UNREADABLE = "(it cannot be read: looking at it throws another error)";

function described(value) {
  return safely(() => inspect(value, { depth: 2 })) ?? UNREADABLE;
}

/** Whether a value, a revoked proxy perhaps, is of a class. */
function isA(value, Class) {
  return safely(() => value instanceof Class) ?? false;
}

/** A property, or undefined if it cannot be read. */
function part(value, name) {
  return safely(() => value[name]) ?? undefined;
}

/** A cell that does not compile. @param diagnostics tslab's: positions are 0-based, chains of messages flattened */
function compileError(diagnostics, code, count) {
  const found = [];
  for (const { start, fileName, messageText, code: number } of diagnostics) {
    const last = found.at(-1);
    // The rest of a chain ("Types of property … are incompatible") has the position of its head, and no file.
    if (last && last.offset === start.offset && (fileName === undefined || fileName === last.fileName))
      last.messages.push(messageText);
    else
      found.push({
        offset: start.offset,
        line: start.line + 1,
        column: start.character + 1,
        fileName,
        number,
        messages: [messageText],
      });
  }
  const traceback = found.flatMap(({ line, column, fileName, number, messages }, index) => [
    ...(index > 0 ? [""] : []),
    `${fileName ?? cellName(count)}:${line}:${column} - TS${number}: ${messages[0]}`,
    ...messages.slice(1).map((message, depth) => "  ".repeat(depth + 1) + message),
    ...(fileName ? [] : excerpt(code, line, null)),
  ]);
  const [{ line, column, fileName, messages }] = found;
  const more = found.length > 1 ? ` (and ${found.length - 1} more)` : "";
  return {
    ename: "TypeScriptError",
    evalue: `${fileName ?? "line"} ${line}:${column}: ${messages[0]}${more}`,
    traceback,
  };
}

/** The lines around `line` (1-based), which is marked. */
function excerpt(code, line, count) {
  const lines = code.split("\n");
  if (line < 1 || line > lines.length) return [];
  const from = Math.max(1, line - 2);
  const shown = lines.slice(from - 1, line + 1);
  const width = String(from + shown.length).length;
  return [
    ...(count === null ? [] : [`${cellName(count)}:`]),
    ...shown.map(
      (text, index) => `${from + index === line ? ">" : " "} ${String(from + index).padStart(width)} | ${text}`,
    ),
  ];
}

function isFrame(line) {
  return /^\s+(at |\.\.\. \d+ lines matching cause)/.test(line);
}

function safely(compute) {
  try {
    return compute();
  } catch {
    return null;
  }
}

module.exports = { Interrupted, cellName, compileError, isA, messageOf, part, thrownError };
