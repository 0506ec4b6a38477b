import { existsSync } from "node:fs";
import { join } from "node:path";
import { readModel } from "../../../lib/model/directory";
import { readSafetensors, readSafetensorsShapes, type HostTensor } from "../../../lib/model/safetensors";
import type { Draw } from "../draw";
import type { Expected, Format } from "../format";
import { at, nodeOf, put, textOf, type JsonNode } from "../json-text";
import { mutateJsonFile, mutateJsonText } from "../mutate";
import { fileOf, modelFiles, plainFile, rawTensor } from "./model-files";
import { referenceModel, PLACE_IN_MODEL } from "./model-reference";
import { readReference, tensorDifference } from "./safetensors-reference";

const LONE = "model.safetensors";

/** Single files with tensors of any name and data type, and model directories with one file or shards. */
export const safetensors: Format<Map<string, HostTensor>> = {
  name: "safetensors",
  place: PLACE_IN_MODEL,

  valid: (draw) => (draw.chance(0.5) ? modelFiles(draw) : new Map([[LONE, freeFile(draw)]])),

  mutate(draw, files) {
    const names = [...files.keys()].filter((name) => name.endsWith(".safetensors"));
    const index = "model.safetensors.index.json";
    if (files.has(index) && draw.chance(0.25)) return mutateJsonFile(draw, files, index);
    const name = draw.pick(names);
    const { header, values } = parts(files.get(name)!);
    const { text, what } = draw.chance(0.5) ? mutateJsonText(draw, header) : mutateEntries(draw, header);
    const extra = draw.chance(0.1) ? Buffer.alloc(draw.pick([1, 4, 8])) : Buffer.alloc(0);
    files.set(name, fileOf(text, Buffer.concat([values, extra])));
    return `${name}: ${what}${extra.length > 0 ? ", bytes at the end" : ""}`;
  },

  read(dir) {
    if (existsSync(join(dir, "config.json"))) return valuesOf(readModel(dir).parameters);
    const path = join(dir, LONE);
    const tensors = readSafetensors(path);
    const shapes = readSafetensorsShapes(path);
    if (JSON.stringify([...shapes]) !== JSON.stringify([...tensors].map(([name, { shape }]) => [name, shape])))
      throw new Error("readSafetensorsShapes and readSafetensors differ");
    return valuesOf(tensors);
  },

  expected(files): Expected<Map<string, HostTensor>> {
    const isModel = files.has("config.json");
    const lone = files.get(LONE);
    if (!isModel && !lone) return { refused: "no file" };
    const reference = isModel ? referenceModel(files) : readReference(lone!);
    if ("refused" in reference) return reference;
    const { tensors, mayRefuse } = reference;
    return { mayRefuse, check: (value) => tensorDifference(value, tensors) };
  },
};

/** Reads all values, which are read on access. */
function valuesOf(tensors: ReadonlyMap<string, HostTensor>): Map<string, HostTensor> {
  return new Map([...tensors].map(([name, tensor]) => [name, { shape: tensor.shape, data: tensor.data }]));
}

function freeFile(draw: Draw): Buffer {
  const names = ["a", "b.weight", "__proto__", "constructor", "é😀", "", "x y", "7"];
  const count = draw.int(6);
  const tensors = names.slice(0, count).map((name) => {
    const shape = Array.from({ length: draw.int(4) }, () => draw.pick([0, 1, 2, 3, 5]));
    return rawTensor(draw, name, shape, draw.pick(["F64", "F32", "F16", "BF16"]));
  });
  return plainFile(tensors);
}

function parts(file: Buffer): { header: string; values: Buffer } {
  const end = 8 + Number(file.readBigUInt64LE());
  return { header: file.toString("utf8", 8, end), values: file.subarray(end) };
}

/** Changes ranges, names, data types and shapes of tensors so that each entry alone looks right. */
function mutateEntries(draw: Draw, header: string): { text: string; what: string } {
  const top = nodeOf(JSON.parse(header)) as { members: [string, JsonNode][] };
  const tensors = top.members.filter(([name]) => name !== "__metadata__").map(([, node]) => node) as {
    members: [string, JsonNode][];
  }[];
  if (tensors.length === 0)
    return { text: '{"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}', what: "empty tensor" };
  const field = (node: { members: [string, JsonNode][] }, i: number) => ({ parent: node, key: i });
  const [one, other] = [draw.pick(tensors), draw.pick(tensors)];
  const [dtype, shape] = [0, 1].map((i) => field(one, i));
  const bounds = (node: { members: [string, JsonNode][] }) =>
    JSON.parse(textOf(at(field(node, 2)))) as [number, number];
  const [begin, end] = bounds(one);
  const step = draw.pick([1, 2, 4, -1, -2, -4]);
  const kind = draw.pick([
    "same range",
    "swapped ranges",
    "shift",
    "name twice",
    "dtype",
    "overflow",
    "wider",
    "missing",
  ]);
  const setRange = (node: { members: [string, JsonNode][] }, list: number[]) => put(field(node, 2), nodeOf(list));
  switch (kind) {
    case "same range":
      setRange(one, bounds(other));
      break;
    case "swapped ranges":
      setRange(one, bounds(other));
      setRange(other, [begin, end]);
      break;
    case "shift":
      setRange(one, [begin + step, end + step]);
      break;
    case "name twice": {
      const name = draw.pick(top.members)[0];
      const node = draw.chance(0.5) ? one : draw.pick(top.members)[1];
      top.members.splice(draw.int(top.members.length + 1), 0, [name, structuredClone(node)]);
      break;
    }
    case "dtype":
      put(dtype, {
        raw: draw.pick(['"F16"', '"BF16"', '"F32"', '"I32"', '"F64"', '"f32"', '"toString"', '"__proto__"', '"U8"']),
      });
      break;
    case "overflow":
      put(shape, {
        raw: draw.pick([
          "[4294967296,4294967296]",
          "[9007199254740991,9007199254740991,0]",
          `[${"1e15,".repeat(25)}0]`,
          "[65536,65536,65536,65536]",
          "[-1,-1]",
          "[1e999]",
          "[2.0,2]",
        ]),
      });
      break;
    case "wider":
      setRange(one, draw.chance(0.5) ? [begin, end + step] : [begin + step, end]);
      break;
    case "missing":
      top.members.splice(
        top.members.findIndex(([, node]) => node === one),
        1,
      );
      break;
  }
  return { text: textOf(top), what: kind };
}
