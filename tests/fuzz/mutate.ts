// Mutations: of JSON trees, so that the text stays JSON, and of bytes.
import type { Draw } from "./draw";
import { at, nodeOf, put, slotsOf, textOf, type JsonNode } from "./json-text";

/** The files of an input by their names. */
export type Files = Map<string, Buffer>;

/** Texts of JSON values that a reader does not expect. */
const HOSTILE = [
  ..."null true false 0 -1 1 -0 0.5 2 3 1e300 -1e300 1e999 -1e999 5e-324 1e-45 3.5e38 255 65536 2147483647".split(" "),
  ..."2147483648 4294967296 16777216 16777217 9007199254740991 9007199254740993 18446744073709551616".split(" "),
  ...['""', '"0"', '"1"', '" "', '"null"', '"\\ud83d"', '"\\udc00x"', '"a\\u0000b"', '"\\ufeff"', '"..%2f.."', '"."'],
  ...['"../x"', '"__proto__"', '"constructor"', '"NaN"', '"😀"', '"<s>"', '"[("', '"\\u001b[31m"', '"=1+1"'],
  ...["[]", "{}", "[[]]", "[null]", "[1,2]", '[""]', '{"":0}', '{"__proto__":null}', '{"__proto__":{"a":1}}'],
  ...['{"constructor":1}', '{"length":3}', '{"toString":0}', '{"type":"x"}', '{"content":"a"}', '{"toJSON":1}'],
];
/** Keys that mean something to JavaScript. */
const HOSTILE_KEYS = [
  "__proto__",
  "constructor",
  "toString",
  "hasOwnProperty",
  "prototype",
  "length",
  "",
  " ",
  "0",
  "//",
];

/** A hostile value; now and then a very long string or a very deep nesting. */
function hostile(draw: Draw): JsonNode {
  if (!draw.chance(0.06)) return { raw: draw.pick(HOSTILE) };
  const depth = draw.pick([300, 20_000, 200_000]);
  return draw.pick<JsonNode>([
    { raw: `"${"a".repeat(300_000)}"` },
    { raw: "[".repeat(depth) + "]".repeat(depth) },
    { raw: '{"a":'.repeat(depth) + "1" + "}".repeat(depth) },
    { raw: `[${"0,".repeat(50_000)}0]` },
  ]);
}

/** Another number near, or far from, a number. */
function otherNumber(draw: Draw, raw: string): string {
  const value = Number(raw);
  return draw.pick(
    [value + 1, value - 1, value * 2, -value, value + 0.5, value / 2, value * 1e6].map(String).concat(`"${raw}"`),
  );
}

function otherText(draw: Draw, raw: string): string {
  const text = JSON.parse(raw) as string;
  const place = draw.int(text.length + 1);
  const insert = draw.pick(["a", " ", "\ud800", "\u0000", "\ufeff", "é", "/", "\n", "\u001b[1m", "𝄞"]);
  return JSON.stringify(
    draw.pick([
      text.slice(0, place) + insert + text.slice(place),
      text.slice(0, place) + text.slice(place + 1),
      text.toUpperCase(),
      text + text,
      text.slice(0, place),
    ]),
  );
}

const copy = (node: JsonNode): JsonNode => structuredClone(node);

/** Changes one place of a tree; returns what was done. */
function mutateNode(draw: Draw, root: { top: JsonNode }): string {
  const slots = slotsOf(root.top);
  if (slots.length === 0 || draw.chance(0.01)) {
    root.top = hostile(draw);
    return "all replaced";
  }
  const slot = draw.pick(slots);
  const node = at(slot);
  const { parent, key } = slot;
  const i = Number(key);
  const name = "members" in parent ? parent.members[i][0] : String(i);
  const otherNode = at(draw.pick(slots));
  const leaf = "raw" in node;
  const isNumber = leaf && /^-?\d/.test(node.raw);
  const isText = leaf && node.raw.startsWith('"') && node.raw.length < 1000;
  const kinds = ["hostile", "hostile", "hostile", "delete", "twice", "other", "wrap", "swap", "insert", "rename"];
  const kind = draw.pick((isNumber || isText) && draw.chance(0.5) ? ["near"] : kinds);
  switch (kind) {
    case "near":
      if (leaf) put(slot, { raw: isNumber ? otherNumber(draw, node.raw) : otherText(draw, node.raw) });
      break;
    case "hostile":
      put(slot, hostile(draw));
      break;
    case "delete":
      if ("items" in parent) parent.items.splice(i, 1);
      else parent.members.splice(i, 1);
      break;
    case "twice": {
      const second = draw.chance(0.5) ? copy(node) : draw.chance(0.5) ? copy(otherNode) : hostile(draw);
      const place = draw.chance(0.5) ? i : i + 1;
      if ("items" in parent) parent.items.splice(place, 0, second);
      else parent.members.splice(place, 0, [name, second]);
      break;
    }
    case "other":
      put(slot, copy(otherNode));
      break;
    case "wrap":
      put(slot, draw.chance(0.5) ? { items: [node] } : { members: [[draw.pick(HOSTILE_KEYS), node]] });
      break;
    case "swap": {
      const first = draw.pick(slots);
      const value = copy(at(first));
      put(first, copy(node));
      if (!slotsOf(value).some(({ parent: inner }) => inner === parent)) put(slot, value);
      break;
    }
    case "insert":
      if ("items" in parent) parent.items.splice(draw.int(parent.items.length + 1), 0, hostile(draw));
      else parent.members.splice(draw.int(parent.members.length + 1), 0, [draw.pick(HOSTILE_KEYS), hostile(draw)]);
      break;
    case "rename":
      if ("members" in parent)
        parent.members[i][0] = draw.pick([...HOSTILE_KEYS, ...parent.members.map(([other]) => other), `${name} `]);
      break;
  }
  return `${kind} ${JSON.stringify(name).slice(0, 40)}`;
}

/** Changes a JSON text in one to three places; now and then in its encoding only. The result is JSON. */
export function mutateJsonText(draw: Draw, text: string): { text: string; what: string } {
  const root = { top: nodeOf(JSON.parse(text)) };
  if (draw.chance(0.04)) return { text: `\ufeff${text}`, what: "byte order mark" };
  if (draw.chance(0.02)) return { text: JSON.stringify(JSON.parse(text), null, 3) + "\n\n", what: "white space" };
  const what = Array.from({ length: draw.pick([1, 1, 1, 2, 3]) }, () => mutateNode(draw, root));
  return { text: textOf(root.top), what: what.join(", ") };
}

/** Changes a JSON file of an input. */
export function mutateJsonFile(draw: Draw, files: Files, name: string): string {
  const { text, what } = mutateJsonText(draw, files.get(name)!.toString());
  files.set(name, Buffer.from(text));
  return `${name}: ${what}`;
}

/** Bytes that are inserted: line ends, quotes, half characters, magic numbers. */
const INSERTED = [
  "\n",
  "\r\n",
  "\r",
  '"',
  ",",
  "{",
  "}",
  "[",
  "]",
  "\\",
  "\0",
  "\ufeff",
  "PAR1",
  "\x1f\x8b",
  "null",
  "-",
  "1",
  "e9",
];

/** Changes bytes of one file: flips, truncation, insertion, removal, repetition, or two files exchanged. */
export function mutateBytes(draw: Draw, files: Files): string {
  const names = [...files.keys()];
  const name = draw.pick(names);
  let bytes = Buffer.from(files.get(name)!);
  const place = draw.int(bytes.length + 1);
  const length = draw.pick([1, 1, 2, 8, 64, 1000]);
  const kind = draw.pick(["flip", "flip", "flip", "cut", "insert", "remove", "repeat", "random", "gone", "exchange"]);
  switch (kind) {
    case "flip":
      for (let n = draw.pick([1, 1, 2, 10]); n > 0 && bytes.length > 0; n--) {
        // half of the flips are within the first 300 bytes, where headers and magic numbers stand
        const where = draw.int(draw.chance(0.5) ? Math.min(300, bytes.length) : bytes.length);
        bytes[where] ^= draw.chance(0.5) ? 1 << draw.int(8) : draw.int(256);
      }
      break;
    case "cut":
      bytes = bytes.subarray(0, place);
      break;
    case "insert": {
      const inserted = draw.chance(0.5)
        ? Buffer.from(draw.pick(INSERTED))
        : Buffer.from([draw.int(256), draw.int(256)]);
      bytes = Buffer.concat([bytes.subarray(0, place), inserted, bytes.subarray(place)]);
      break;
    }
    case "remove":
      bytes = Buffer.concat([bytes.subarray(0, place), bytes.subarray(place + length)]);
      break;
    case "repeat":
      bytes = Buffer.concat([bytes.subarray(0, place), bytes.subarray(Math.max(0, place - length))]);
      break;
    case "random":
      for (let i = place; i < Math.min(bytes.length, place + length); i++) bytes[i] = draw.int(256);
      break;
    case "gone":
      if (names.length > 1 || draw.chance(0.2)) {
        files.delete(name);
        return `${name}: gone`;
      }
      bytes = Buffer.alloc(0);
      break;
    case "exchange":
      if (names.length > 1) {
        const other = draw.pick(names);
        files.set(name, files.get(other)!);
        files.set(other, bytes);
        return `${name} and ${other} exchanged`;
      }
      break;
  }
  files.set(name, bytes);
  return `${name}: ${kind} at ${place}`;
}
