// The safetensors format: 8 bytes of header length, a JSON header, the tensors' bytes.
// https://huggingface.co/docs/safetensors
import { closeSync, fstatSync, fsyncSync, openSync, readSync, renameSync, rmSync, writeSync } from "node:fs";
import { ModelError } from "../data/errors";

/**
 * A tensor outside TensorFlow: row-major values of the given shape. Those of a file or a model are read or copied each time
 * that `data` is asked for, so that a large model's values need not all be in memory.
 */
export interface HostTensor {
  readonly shape: number[];
  readonly data: Float32Array;
}

interface HeaderEntry {
  dtype: string;
  shape: number[];
  data_offsets: [number, number];
}

const BYTES_PER_VALUE: Record<string, number> = { F32: 4, F16: 2, BF16: 2 };
const MAX_HEADER_BYTES = 100_000_000; // the reference implementation's own limit

/**
 * The tensors of a file as float32 (float16 and bfloat16 are widened exactly), read from it when they are asked for.
 * @param accept only the tensors for which it is true
 * @throws {ModelError} naming the file and tensor, if anything in the header does not fit the file
 */
export function readSafetensors(path: string, accept: (name: string) => boolean = () => true): Map<string, HostTensor> {
  const file = openFile(path);
  try {
    const { entries, dataStart } = readHeader(file, path);
    const tensors = new Map<string, HostTensor>();
    for (const [
      name,
      {
        dtype,
        shape,
        data_offsets: [begin, end],
      },
    ] of entries) {
      if (!accept(name)) continue;
      if (!(dtype in BYTES_PER_VALUE)) {
        throw new ModelError(`${path}: tensor "${name}" has dtype ${dtype}; F32, F16 and BF16 are implemented.`);
      }
      tensors.set(name, {
        shape,
        get data() {
          return widen(readPart(path, end - begin, dataStart + begin), dtype);
        },
      });
    }
    return tensors;
  } finally {
    closeSync(file);
  }
}

/** Names and shapes of a file's tensors, without their values. */
export function readSafetensorsShapes(path: string): Map<string, number[]> {
  const file = openFile(path);
  try {
    return new Map([...readHeader(file, path).entries].map(([name, entry]) => [name, entry.shape]));
  } finally {
    closeSync(file);
  }
}

/** Writes float32 tensors, in the map's order; the file appears whole or not at all. */
export function writeSafetensors(path: string, tensors: ReadonlyMap<string, HostTensor>): void {
  const header: Record<string, unknown> = { __metadata__: { format: "pt" } };
  let offset = 0;
  for (const [name, { shape }] of tensors) {
    const end = offset + 4 * shape.reduce((product, n) => product * n, 1);
    header[name] = { dtype: "F32", shape, data_offsets: [offset, end] };
    offset = end;
  }
  let text = JSON.stringify(header);
  text += " ".repeat((8 - (Buffer.byteLength(text) % 8)) % 8); // values start aligned
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(Buffer.byteLength(text)));

  const partial = `${path}.part-${process.pid}`;
  const file = openSync(partial, "w");
  try {
    writeAll(file, length);
    writeAll(file, Buffer.from(text));
    for (const { data } of tensors.values())
      writeAll(file, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    fsyncSync(file);
  } catch (error) {
    rmSync(partial, { force: true });
    throw error;
  } finally {
    closeSync(file);
  }
  renameSync(partial, path);
}

function openFile(path: string): number {
  try {
    return openSync(path, "r");
  } catch (error) {
    throw new ModelError(`${path}: cannot be opened (${(error as NodeJS.ErrnoException).code}).`);
  }
}

function readHeader(file: number, path: string): { entries: [string, HeaderEntry][]; dataStart: number } {
  const size = fstatSync(file).size;
  if (size < 8)
    throw new ModelError(`${path}: ${size} bytes is too short for a safetensors file; fetch or save it again.`);
  const length = Number(readBytes(file, 8, 0, path).readBigUInt64LE());
  if (length > MAX_HEADER_BYTES || length > size - 8) {
    throw new ModelError(
      `${path}: claims a header of ${length} bytes in a file of ${size}; it is truncated or no safetensors file.`,
    );
  }
  let header: unknown;
  try {
    header = JSON.parse(readBytes(file, length, 8, path).toString("utf8"));
  } catch {
    throw new ModelError(`${path}: the header is not valid JSON; the file is damaged or no safetensors file.`);
  }
  if (typeof header !== "object" || header === null || Array.isArray(header)) {
    throw new ModelError(`${path}: the header is not a JSON object.`);
  }
  const dataStart = 8 + length;
  const entries: [string, HeaderEntry][] = [];
  for (const [name, value] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    const entry = value as Partial<HeaderEntry> | null;
    const { dtype, shape, data_offsets: offsets } = entry ?? {};
    const isCount = (x: unknown) => Number.isSafeInteger(x) && (x as number) >= 0;
    if (
      typeof dtype !== "string" ||
      !Array.isArray(shape) ||
      !shape.every(isCount) ||
      !Array.isArray(offsets) ||
      offsets.length !== 2 ||
      !offsets.every(isCount)
    ) {
      throw new ModelError(`${path}: the header's entry for tensor "${name}" is malformed.`);
    }
    const [begin, end] = offsets;
    if (begin > end || dataStart + end > size) {
      throw new ModelError(
        `${path}: tensor "${name}" lies at bytes ${begin} to ${end} of ${size - dataStart}; the file is truncated or damaged.`,
      );
    }
    const values = shape.reduce((product, n) => product * n, 1);
    if (dtype in BYTES_PER_VALUE && values * BYTES_PER_VALUE[dtype] !== end - begin) {
      throw new ModelError(
        `${path}: tensor "${name}" of shape [${shape}] and dtype ${dtype} cannot fill ${end - begin} bytes.`,
      );
    }
    entries.push([name, { dtype, shape, data_offsets: [begin, end] }]);
  }
  return { entries, dataStart };
}

function readPart(path: string, length: number, position: number): Buffer {
  const file = openFile(path);
  try {
    return readBytes(file, length, position, path);
  } finally {
    closeSync(file);
  }
}

const CHUNK = 1 << 30; // one read or write call takes at most 2 GiB

function readBytes(file: number, length: number, position: number, path: string): Buffer {
  const bytes = Buffer.from(new ArrayBuffer(length)); // not from Node's pool: aligned for a typed array over it
  let done = 0;
  while (done < length) {
    const read = readSync(file, bytes, done, Math.min(CHUNK, length - done), position + done);
    if (read === 0) throw new ModelError(`${path}: ends after ${position + done} bytes; it is truncated.`);
    done += read;
  }
  return bytes;
}

function writeAll(file: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length;) done += writeSync(file, bytes, done, Math.min(CHUNK, bytes.length - done));
}

function widen(bytes: Buffer, dtype: string): Float32Array {
  if (dtype === "F32") return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  const halves = new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2);
  const words = new Uint32Array(halves.length);
  if (dtype === "BF16") for (let i = 0; i < halves.length; i++) words[i] = halves[i] << 16;
  else for (let i = 0; i < halves.length; i++) words[i] = float16ToFloat32Bits(halves[i]);
  return new Float32Array(words.buffer);
}

function float16ToFloat32Bits(half: number): number {
  const sign = (half & 0x8000) << 16;
  let exponent = (half >> 10) & 0x1f;
  let fraction = half & 0x3ff;
  if (exponent === 31) return (sign | 0x7f800000 | (fraction << 13)) >>> 0; // infinity, NaN
  if (exponent === 0) {
    if (fraction === 0) return sign >>> 0;
    exponent = 1; // a subnormal half is a normal float
    while ((fraction & 0x400) === 0) {
      fraction <<= 1;
      exponent--;
    }
    fraction &= 0x3ff;
  }
  return (sign | ((exponent + 112) << 23) | (fraction << 13)) >>> 0;
}
