import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { readExamples, type Example } from "../../../lib/data/example";
import type { Draw } from "../draw";
import { difference, type Expected, type Format } from "../format";
import { strictJson, strictText } from "../json-text";
import { mutateJsonText, type Files } from "../mutate";

const PARQUET = readFileSync(join(__dirname, "..", "..", "data", "fixtures", "examples.parquet"));
const PARQUET_ROWS = Array.from({ length: 5 }, (_, i) => ({
  instruction: `Say ${i}.`,
  input: i % 2 ? "é\u2028" : "",
  output: String(i),
}));
const NAMES = ["rows.json", "rows.jsonl", "rows.parquet"].flatMap((name) => [name, `${name}.gz`]);

/** Instruction data as a JSON array, JSON Lines or Parquet, some of it compressed. */
export const data: Format<Example[]> = {
  name: "data",
  place: /row|line \d+|not a Parquet|Parquet file|decompress|UTF-8|array|there is no such file/,

  valid(draw) {
    if (draw.chance(0.06)) return new Map([["rows.parquet", PARQUET]]);
    const texts = ["", "a", "Say: é 😀", 'He said "no",\nthen\u2028left.', "1", "x".repeat(50), "\\u0041", "\u0000"];
    const rows = Array.from({ length: 1 + draw.int(5) }, () => ({
      instruction: draw.pick(texts),
      ...(draw.chance(0.8) && { input: draw.pick([...texts, null]) }),
      output: draw.pick(texts),
      ...(draw.chance(0.2) && { id: draw.pick([1, null, [1], { a: 1 }]) }),
    }));
    const kind = draw.pick(["json", "jsonl", "lines in json"]);
    const lines = rows.map((row) => JSON.stringify(row)).join(draw.pick(["\n", "\r\n", "\n\n"]));
    const text = kind === "json" || (kind === "lines in json" && rows.length === 1) ? JSON.stringify(rows) : lines;
    const name = kind === "jsonl" ? "rows.jsonl" : "rows.json";
    const isCompressed = draw.chance(0.2);
    const bytes = Buffer.from(text);
    return new Map([[isCompressed ? `${name}.gz` : name, isCompressed ? gzipSync(bytes) : bytes]]);
  },

  mutate(draw, files) {
    const [[name, bytes]] = files;
    if (name === "rows.parquet") return mutateParquet(draw, files);
    const isCompressed = name.endsWith(".gz");
    const text = (isCompressed ? gunzipSync(bytes) : bytes).toString();
    let changed: { text: string; what: string };
    try {
      changed = mutateJsonText(draw, text);
    } catch {
      const lines = text.split("\n");
      const i = draw.pick(lines.flatMap((line, at) => (line.trim() === "" ? [] : [at])));
      changed = mutateJsonText(draw, lines[i]);
      lines[i] = changed.text.replaceAll("\n", " ");
      changed.text = lines.join("\n");
    }
    const result = Buffer.from(changed.text);
    files.set(name, isCompressed ? gzipSync(result) : result);
    return `${name}: ${changed.what}`;
  },

  read(dir) {
    return readExamples(join(dir, currentName(dir)));
  },

  expected(files): Expected<Example[]> {
    const [[name, given]] = files.size > 0 ? [...files] : [["", Buffer.alloc(0)]];
    if (name === "") return { refused: "no file" };
    let bytes = given;
    if (bytes[0] === 0x1f && bytes[1] === 0x8b) {
      try {
        bytes = gunzipSync(bytes);
      } catch {
        return { refused: "gzip" };
      }
    }
    if (bytes.subarray(0, 4).toString("latin1") === "PAR1") {
      // Parquet has no check sums: changed bytes may give other texts, but whole ones.
      const isSame = bytes.equals(PARQUET);
      return {
        mayRefuse: !isSame,
        check: (rows) =>
          isSame
            ? difference("the rows", rows, PARQUET_ROWS)
            : rows.length > 0 && rows.every(isExample)
              ? undefined
              : "rows without texts",
      };
    }
    if (name.startsWith("rows.parquet")) return { refused: "not Parquet" };
    return referenceRows(bytes, name.startsWith("rows.jsonl"));
  },
};

/** The file of an input: readers are given the name that it has. */
function currentName(dir: string): string {
  const found = NAMES.find((name) => {
    try {
      readFileSync(join(dir, name));
      return true;
    } catch {
      return false;
    }
  });
  return found ?? NAMES[0];
}

function mutateParquet(draw: Draw, files: Files): string {
  const bytes = Buffer.from(PARQUET);
  // the footer is a Thrift structure, whose length stands before the last four bytes
  const footer = bytes.readUInt32LE(bytes.length - 8);
  const start = draw.chance(0.7) ? bytes.length - 8 - footer : 4;
  for (let n = draw.pick([1, 2, 5]); n > 0; n--) bytes[start + draw.int(bytes.length - 8 - start)] = draw.int(256);
  files.set("rows.parquet", bytes);
  return "bytes of Parquet's footer or pages";
}

function isExample(row: unknown): row is Example {
  if (typeof row !== "object" || row === null || Array.isArray(row)) return false;
  const { instruction, input, output } = row as Record<string, unknown>;
  return [instruction, input, output].every((text) => typeof text === "string" && !/\p{Surrogate}/u.test(text));
}

/** The rows of a JSON array, or of JSON Lines: under `.jsonl`, and where the first of several lines is an object. */
function referenceRows(bytes: Buffer, isLines: boolean): Expected<Example[]> {
  const text = strictText(bytes);
  if (text === undefined) return { refused: "not UTF-8" };
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  const first = strictJson(Buffer.from(lines[0] ?? "")).value;
  const asLines = isLines || (lines.length > 1 && typeof first === "object" && first !== null && !Array.isArray(first));
  let values: unknown;
  if (!asLines) values = strictJson(bytes).value;
  else {
    // a byte order mark within the file may be refused or left out
    const parsed = lines.map((line) => strictJson(Buffer.from(line)));
    if (parsed.some(({ value }) => value === undefined)) return { refused: "a line is not JSON" };
    values = parsed.map(({ value }) => value);
  }
  if (!Array.isArray(values) || values.length === 0) return { refused: "no rows" };
  const rows = values.map((value: unknown) => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return null;
    const own = (key: string): unknown =>
      Object.hasOwn(value, key) ? (value as Record<string, unknown>)[key] : undefined;
    return { instruction: own("instruction"), input: own("input") ?? "", output: own("output") };
  });
  if (!rows.every(isExample)) return { refused: "a row without its texts" };
  return {
    mayRefuse: lines.slice(1).some((line) => line.startsWith("\ufeff")),
    check: (got) => difference("the rows", got, rows),
  };
}
