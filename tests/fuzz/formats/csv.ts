import { join } from "node:path";
import { csvNames, csvNumbers, readCsv } from "../../../lib/data/read-csv";
import { PromptlossError } from "../../../lib/data/errors";
import type { Draw } from "../draw";
import { difference, type Expected, type Format } from "../format";
import { strictText } from "../json-text";
import type { Files } from "../mutate";

/** A table, and its columns as numbers and as names; undefined for a column that is refused as such. */
interface Read {
  columns: string[];
  records: string[][];
  numbers: (number[] | undefined)[];
  names: (string[] | undefined)[];
}

const FILE = "table.csv";
const CELLS = [
  "",
  "0",
  "1.5",
  "-2e-3",
  "a",
  "é😀",
  "x y",
  'say "no"',
  "a,b",
  "a;b",
  "l1\nl2",
  "l1\r\nl2",
  "1,5",
  "Infinity",
  "0x10",
  " 7 ",
  "=1+1",
  "\t",
  "1e999",
];

/** Tables with a header line. */
export const csv: Format<Read> = {
  name: "csv",
  place: /row \d+|column "|has no rows|no rows below|UTF-8|there is no such file/,

  valid(draw) {
    const delimiter = draw.pick([",", ",", ";", "\t"]);
    const columns = 2 + draw.int(4);
    const header = Array.from(
      { length: columns },
      (_, i) => draw.pick(["model", "plw", "mean, of all", 'the "x"', "é"]) + i,
    );
    const rows = Array.from({ length: 1 + draw.int(6) }, () =>
      header.map(() => draw.pick(draw.chance(0.5) ? CELLS : ["0.1", "2", "-3"])),
    );
    return new Map([[FILE, Buffer.from(written([header, ...rows], delimiter, draw))]]);
  },

  mutate(draw, files) {
    const text = files.get(FILE)!.toString();
    const lines = text.split("\n");
    const i = draw.int(lines.length);
    const kind = draw.pick([
      "cell",
      "cell",
      "line end",
      "twice",
      "field",
      "quote",
      "blank",
      "mark",
      "delimiter",
      "one column",
    ]);
    switch (kind) {
      case "cell":
        lines[i] = lines[i].replace(/(?<=^|[,;\t])[^,;\t"\r]*(?=[,;\t]|\r?$)/, () =>
          draw.pick([
            "",
            "1e400",
            "NaN",
            "-",
            "1_000",
            "١",
            "+5",
            ".5",
            "5.",
            "1e",
            "a".repeat(100_000),
            "\ud800",
            "\0",
          ]),
        );
        break;
      case "line end":
        return set(
          files,
          draw.chance(0.5)
            ? text.replaceAll(/\r?\n/g, draw.pick(["\r", "\r\n", "\n\r"]))
            : text.replace(/\r?\n/, draw.pick(["\r", "\r\n", "\n"])),
          kind,
        );
      case "twice":
        lines.splice(i, 0, lines[draw.int(lines.length)]);
        break;
      case "field":
        lines[i] += draw.pick([",", ";", "\t", ",1", ";2"]);
        break;
      case "quote": {
        const place = draw.int(lines[i].length + 1);
        lines[i] = lines[i].slice(0, place) + '"' + lines[i].slice(place);
        break;
      }
      case "blank":
        lines.splice(i, 0, draw.pick(["", " ", "\r", ",", "\t"]));
        break;
      case "mark":
        return set(files, `\ufeff${text}`, kind);
      case "delimiter":
        return set(files, text.replaceAll(/[,;\t]/g, draw.pick([",", ";", "\t", "|"])), kind);
      case "one column":
        return set(
          files,
          ["name", ...Array.from({ length: 1 + draw.int(4) }, () => draw.pick(["1", "2.5", "b c"]))].join(
            draw.pick(["\n", "\r\n", "\r"]),
          ),
          kind,
        );
    }
    return set(files, lines.join("\n"), kind);
  },

  read(dir) {
    const table = readCsv(join(dir, FILE));
    const ofColumn = <T>(read: (column: string) => T): (T | undefined)[] =>
      table.columns.map((column) => {
        try {
          return read(column);
        } catch (error) {
          if (
            error instanceof PromptlossError &&
            error.message.includes(join(dir, FILE)) &&
            /row \d+/.test(error.message)
          )
            return undefined;
          throw error;
        }
      });
    return {
      columns: table.columns,
      records: table.records,
      numbers: ofColumn((column) => csvNumbers(table, column)),
      names: ofColumn((column) => csvNames(table, column)),
    };
  },

  expected(files, isValid): Expected<Read> {
    const bytes = files.get(FILE);
    const text = bytes && strictText(bytes);
    if (text === undefined) return { refused: "no text" };
    const readings = [",", ";", "\t"].map((delimiter) => reading(text, delimiter)).filter((rows) => rows !== undefined);
    if (readings.length === 0) return { refused: "no rectangle of at least two rows" };
    return {
      mayRefuse: !isValid,
      check(got) {
        const table = [got.columns, ...got.records];
        const found = readings.find((rows) => difference("", table, rows) === undefined);
        if (!found) return difference("the table", table, readings[0]);
        const numbers = got.columns.map((_, i) => asColumn(got.records.map((row) => referenceNumber(row[i]))));
        const names = got.columns.map((_, i) => asColumn(got.records.map((row) => row[i].trim() || undefined)));
        return difference("numbers", got.numbers, numbers) ?? difference("names", got.names, names);
      },
    };
  },
};

function set(files: Files, text: string, what: string): string {
  files.set(FILE, Buffer.from(text));
  return what;
}

function asColumn<T>(cells: (T | undefined)[]): T[] | undefined {
  return cells.includes(undefined) ? undefined : (cells as T[]);
}

/** A decimal number as Python's float reads it, without its underscores and names. */
function referenceNumber(cell: string): number | undefined {
  const text = cell.trim();
  const digits = text
    .replace(/^[-+]/, "")
    .replace(/[eE][-+]?[0-9]+$/, "")
    .replace(".", "");
  const isDecimal = /^[0-9]+$/.test(digits) && Number.isFinite(Number(text)) && !/[a-df-zA-DF-Z]/.test(text);
  return isDecimal ? Number(text) : undefined;
}

function written(rows: readonly string[][], delimiter: string, draw: Draw): string {
  const newline = draw.pick(["\n", "\r\n"]);
  const quoted = (cell: string) =>
    /[",;\t\r\n]/.test(cell) || draw.chance(0.1) ? `"${cell.replaceAll('"', '""')}"` : cell;
  return rows.map((row) => row.map(quoted).join(delimiter)).join(newline) + (draw.chance(0.7) ? newline : "");
}

/**
 * Reads CSV as RFC 4180 describes it, character by character; any of \n, \r\n and \r ends a line outside quotes, and
 * lines without a character are skipped.
 * @returns undefined if there are fewer than two rows, rows of unequal length, a column name twice, or a quote that is
 *   not closed or is followed by more text
 */
function reading(text: string, delimiter: string): string[][] | undefined {
  const rows: string[][] = [];
  let row: string[] = [];
  let cell = "";
  let wasQuoted = false;
  const endCell = () => {
    row.push(cell);
    [cell, wasQuoted] = ["", false];
  };
  const endRow = () => {
    const isBlank = row.length === 0 && cell === "";
    if (!isBlank || wasQuoted) endCell();
    if (row.length > 0 && !(row.length === 1 && row[0] === "")) rows.push(row);
    row = [];
  };
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    if (char === '"' && cell === "" && !wasQuoted) {
      wasQuoted = true;
      for (i++; text[i] !== '"' || text[i + 1] === '"'; i++) {
        if (i >= text.length) return undefined;
        if (text[i] === '"') i++;
        cell += text[i];
      }
    } else if (char === delimiter) endCell();
    else if (char === "\n" || char === "\r") {
      if (char === "\r" && text[i + 1] === "\n") i++;
      endRow();
    } else if (wasQuoted) {
      if (!/\s/.test(char)) return undefined; // white space between quote and delimiter is left out
    } else cell += char;
  }
  endRow();
  const [header] = rows;
  if (rows.length < 2 || rows.some(({ length }) => length !== header.length)) return undefined;
  return new Set(header).size === header.length ? rows : undefined;
}
