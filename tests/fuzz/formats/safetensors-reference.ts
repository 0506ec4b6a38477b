// A strict reader of safetensors files, written from the format's description alone
// (https://huggingface.co/docs/safetensors): unique names, no overlap, no holes, size = product of the shape × size of
// the data type.
import { repeatedKeys, strictJson, strictText } from "../json-text";

/** A tensor as the file has it; values as the bits of float32. */
export interface ReferenceTensor {
  shape: number[];
  bits: Uint32Array;
}

/** The tensors of a file, or why it must be refused. `mayRefuse`: the format leaves it open. */
export type ReferenceFile = { refused: string } | { tensors: Map<string, ReferenceTensor>; mayRefuse: boolean };

const WIDTHS: Record<string, number> = { F64: 8, F32: 4, F16: 2, BF16: 2 };

/** Reads a file. @param ignored names of tensors whose values are not read, so that their data type does not matter */
export function readReference(bytes: Buffer, ignored: (name: string) => boolean = () => false): ReferenceFile {
  if (bytes.length < 8) return { refused: "too short" };
  const length = bytes.readBigUInt64LE();
  if (length > 100_000_000n || length > BigInt(bytes.length - 8)) return { refused: "header longer than the file" };
  const headerBytes = bytes.subarray(8, 8 + Number(length));
  const text = strictText(headerBytes);
  if (text === undefined || headerBytes[0] !== 0x7b) return { refused: "header is not UTF-8 that begins with {" };
  const header = strictJson(headerBytes).value;
  if (header === undefined) return { refused: "header is not JSON, or nested too deeply" };
  if (repeatedKeys(text).length > 0) return { refused: `${repeatedKeys(text)[0]} twice` };
  const data = bytes.subarray(8 + Number(length));
  const tensors = new Map<string, ReferenceTensor>();
  const ranges: [number, number][] = [];
  let mayRefuse = !/^[^]*\} *$/.test(text.slice(-2000)); // padding other than spaces
  for (const [name, entry] of Object.entries(header as Record<string, unknown>)) {
    if (name === "__metadata__") {
      if (typeof entry !== "object" || entry === null || Array.isArray(entry)) return { refused: "metadata" };
      if (!Object.values(entry).every((value) => typeof value === "string")) return { refused: "metadata" };
      continue;
    }
    if (typeof entry !== "object" || entry === null || Array.isArray(entry)) return { refused: `${name}: no object` };
    const own = (key: string): unknown =>
      Object.hasOwn(entry, key) ? (entry as Record<string, unknown>)[key] : undefined;
    const [dtype, shape, offsets] = [own("dtype"), own("shape"), own("data_offsets")];
    const areCounts = (list: unknown): list is number[] =>
      Array.isArray(list) && list.every((n) => typeof n === "number" && Number.isInteger(n) && n >= 0 && n <= 2 ** 53);
    if (typeof dtype !== "string" || !areCounts(shape) || !areCounts(offsets) || offsets.length !== 2)
      return { refused: `${name}: entry` };
    const [begin, end] = offsets;
    if (begin > end || end > data.length) return { refused: `${name}: range` };
    ranges.push([begin, end]);
    if (ignored(name)) {
      mayRefuse = true;
      continue;
    }
    if (!Object.hasOwn(WIDTHS, dtype)) return { refused: `${name}: ${dtype}` };
    let product = 1n;
    for (const n of shape) {
      product *= BigInt(n);
      if (product > 2n ** 53n) mayRefuse = true; // the size overflows before a later 0
    }
    if (shape.some((n) => n > 2 ** 53 - 1 || Object.is(n, -0))) mayRefuse = true;
    if (product * BigInt(WIDTHS[dtype]) !== BigInt(end - begin)) return { refused: `${name}: size` };
    tensors.set(name, { shape, bits: float32Bits(data.subarray(begin, end), dtype) });
  }
  ranges.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  let position = 0;
  for (const [begin, end] of ranges) {
    if (begin !== position) return { refused: "overlap or hole" };
    position = end;
  }
  if (position !== data.length) return { refused: "bytes that belong to no tensor" };
  return { tensors, mayRefuse };
}

/** Values of a data type as the bits of float32. */
export function float32Bits(bytes: Buffer, dtype: string): Uint32Array {
  const width = WIDTHS[dtype];
  return Uint32Array.from({ length: bytes.length / width }, (_, i) => {
    if (dtype === "F32") return bytes.readUInt32LE(4 * i);
    if (dtype === "F64") return new Uint32Array(Float32Array.of(bytes.readDoubleLE(8 * i)).buffer)[0];
    const half = bytes.readUInt16LE(2 * i);
    if (dtype === "BF16") return half * 65536;
    const [exponent, fraction] = [(half >> 10) & 31, half & 1023];
    const sign = half & 0x8000 ? 0x80000000 : 0;
    if (exponent === 31) return sign + 0x7f800000 + fraction * 8192;
    const magnitude = exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25);
    return sign + new Uint32Array(Float32Array.of(magnitude).buffer)[0];
  });
}

/** Compares tensors bit by bit. */
export function tensorDifference(
  got: ReadonlyMap<string, { shape: number[]; data: Float32Array }>,
  wanted: ReadonlyMap<string, ReferenceTensor>,
): string | undefined {
  const names = [[...got.keys()], [...wanted.keys()]].map((list) => JSON.stringify(list.sort()));
  if (names[0] !== names[1]) return `tensors are ${names[0]}, not ${names[1]}`;
  for (const [name, { shape, bits }] of wanted) {
    const tensor = got.get(name)!;
    if (tensor.shape.join() !== shape.join()) return `${name} has shape ${tensor.shape.join()}, not ${shape.join()}`;
    const data = tensor.data;
    const words = new Uint32Array(data.buffer, data.byteOffset, data.length);
    if (words.length !== bits.length || words.some((word, i) => word !== bits[i])) return `${name} has other values`;
  }
  return undefined;
}
