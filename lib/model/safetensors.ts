// Files in the safetensors format: 8 bytes with the header's length, a JSON header, the tensors' values.
// Source: https://huggingface.co/docs/safetensors
import { closeSync, fstatSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { DataError, ModelError } from "../data/errors";
import { decodeText, shallowJson } from "../data/read-json";
import { repeatedKey } from "../data/repeated-key";
import { isObject, shown } from "../data/validate";
import { BYTES_PER_VALUE, CHUNK, openFile, readBytes, readPart, widen } from "./tensor-values";

/** A tensor outside TensorFlow. */
export interface HostTensor {
  readonly shape: number[];
  /**
   * Values in row-major order. For a tensor of a file or a model, each access reads or copies them, so that the values
   * of a large model need not all be in memory.
   */
  readonly data: Float32Array;
}

/** A tensor's entry in the header. */
interface HeaderEntry {
  dtype: string;
  shape: number[];
  /** begin and end in bytes, after the header */
  data_offsets: [number, number];
}

const OPENING_BRACE = 0x7b;
const MAX_HEADER_BYTES = 100_000_000; // the reference implementation's own limit

/**
 * Opens a safetensors file and returns its tensors as float32; float16 and bfloat16 are widened exactly, float64 is
 * rounded. The values are read from the file on each access to `data`.
 *
 * @param accept selects tensors by name; default: all
 * @throws {ModelError} naming file and tensor, if the header is invalid, does not fit the file, or a selected tensor
 *   has another dtype
 */
export function readSafetensors(path: string, accept: (name: string) => boolean = () => true): Map<string, HostTensor> {
  const file = openFile(path);
  try {
    const { entries, dataStart } = readHeader(file, path);
    const tensors = new Map<string, HostTensor>();
    for (const [name, entry] of entries) {
      if (!accept(name)) continue;
      const { dtype, shape } = entry;
      const [begin, end] = entry.data_offsets;
      if (!Object.hasOwn(BYTES_PER_VALUE, dtype)) {
        throw new ModelError(
          `${path}: tensor "${name}" has dtype ${dtype}; only F64, F32, F16 and BF16 are supported.`,
        );
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

/**
 * Reads names and shapes of a file's tensors, without their values.
 *
 * @throws {ModelError} if the header is invalid or does not fit the file
 */
export function readSafetensorsShapes(path: string): Map<string, number[]> {
  const file = openFile(path);
  try {
    return new Map([...readHeader(file, path).entries].map(([name, entry]) => [name, entry.shape]));
  } finally {
    closeSync(file);
  }
}

/**
 * Reads the metadata of a file: texts by name, which its writer chose.
 *
 * @throws {ModelError} if the header is invalid or does not fit the file
 */
export function readSafetensorsMetadata(path: string): Record<string, string> {
  const file = openFile(path);
  try {
    return readHeader(file, path).metadata;
  } finally {
    closeSync(file);
  }
}

/**
 * Writes tensors as float32, in the map's order. The file is written atomically: under a temporary name, flushed to
 * disk, then renamed.
 *
 * @param metadata texts by name, beside the format; default: none
 */
export function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, HostTensor>,
  metadata: Readonly<Record<string, string>> = {},
): void {
  const text = headerText(tensors, metadata);
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

/** The size in bytes of the file that {@link writeSafetensors} makes of tensors of these shapes. */
export function safetensorsBytes(
  tensors: ReadonlyMap<string, Pick<HostTensor, "shape">>,
  metadata: Readonly<Record<string, string>> = {},
): number {
  const values = [...tensors.values()].reduce(
    (sum, { shape }) => sum + shape.reduce((product, n) => product * n, 1),
    0,
  );
  return 8 + Buffer.byteLength(headerText(tensors, metadata)) + 4 * values;
}

function headerText(
  tensors: ReadonlyMap<string, Pick<HostTensor, "shape">>,
  metadata: Readonly<Record<string, string>>,
): string {
  const header: Record<string, unknown> = { __metadata__: { format: "pt", ...metadata } };
  let offset = 0;
  for (const [name, { shape }] of tensors) {
    const end = offset + 4 * shape.reduce((product, n) => product * n, 1);
    header[name] = { dtype: "F32", shape, data_offsets: [offset, end] };
    offset = end;
  }
  const text = JSON.stringify(header);
  return text + " ".repeat((8 - (Buffer.byteLength(text) % 8)) % 8); // aligns the values at 8 bytes
}

function readHeader(
  file: number,
  path: string,
): { entries: [string, HeaderEntry][]; dataStart: number; metadata: Record<string, string> } {
  const size = fstatSync(file).size;
  if (size < 8)
    throw new ModelError(
      `${path}: ${size} bytes is too short for a safetensors file; download or save the file again.`,
    );
  const length = Number(readBytes(file, 8, 0, path).readBigUInt64LE());
  if (length > MAX_HEADER_BYTES || length > size - 8) {
    throw new ModelError(
      `${path}: claims a header of ${length} bytes in a file of ${size}; ` +
        "the file is truncated or not a safetensors file.",
    );
  }
  const header = headerObject(readBytes(file, length, 8, path), path);
  const dataStart = 8 + length;
  const entries = Object.entries(header)
    .filter(([name]) => name !== "__metadata__")
    .map(([name, value]): [string, HeaderEntry] => [
      name,
      headerEntry(value, size - dataStart, `${path}: tensor "${name}"`),
    ]);
  checkRanges(entries, size - dataStart, path);
  return { entries, dataStart, metadata: (header.__metadata__ ?? {}) as Record<string, string> };
}

/**
 * Parses the header, which begins with "{". A key twice is refused, as the format says: JSON.parse would keep the last.
 */
function headerObject(bytes: Buffer, path: string): Record<string, unknown> {
  const damaged = "the file is damaged or not a safetensors file.";
  let header: unknown;
  let twice: string | undefined;
  try {
    const text = decodeText(bytes, path);
    header = shallowJson(text);
    twice = repeatedKey(text);
  } catch (error) {
    const problem = error instanceof DataError ? "UTF-8 text" : "valid JSON";
    throw new ModelError(`${path}: the header is not ${problem}; ${damaged}`);
  }
  if (bytes[0] !== OPENING_BRACE || !isObject(header))
    throw new ModelError(`${path}: the header is not a JSON object; ${damaged}`);
  if (twice !== undefined) throw new ModelError(`${path}: the header has the key "${twice}" twice; ${damaged}`);
  const { __metadata__: metadata } = header;
  if (metadata !== undefined && !(isObject(metadata) && Object.values(metadata).every((x) => typeof x === "string")))
    throw new ModelError(`${path}: "__metadata__" in the header must be an object of texts; ${damaged}`);
  return header;
}

/** Refuses tensors that overlap, and values that belong to none, as the reference implementation does. */
function checkRanges(entries: readonly [string, HeaderEntry][], dataSize: number, path: string): void {
  let position = 0;
  const sorted = [...entries].sort(
    ([, a], [, b]) => a.data_offsets[0] - b.data_offsets[0] || a.data_offsets[1] - b.data_offsets[1],
  );
  for (const [
    name,
    {
      data_offsets: [begin, end],
    },
  ] of sorted) {
    if (begin !== position)
      throw new ModelError(
        `${path}: tensor "${name}" begins at byte ${begin} of the values, ` +
          `${begin < position ? "within the one before, which ends" : "not at the end of the one before,"} ` +
          `at ${position}; the file is damaged.`,
      );
    position = end;
  }
  if (position !== dataSize)
    throw new ModelError(`${path}: ${dataSize - position} bytes after the last tensor; the file is damaged.`);
}

/**
 * Validates a tensor's entry in the header.
 *
 * @param dataSize number of bytes after the header
 * @param where names file and tensor in an error
 */
function headerEntry(value: unknown, dataSize: number, where: string): HeaderEntry {
  const { dtype, shape, data_offsets: offsets } = (value as Partial<HeaderEntry> | null) ?? {};
  const isCount = (x: unknown) => Number.isSafeInteger(x) && (x as number) >= 0;
  if (
    typeof dtype !== "string" ||
    !Array.isArray(shape) ||
    !shape.every(isCount) ||
    !Array.isArray(offsets) ||
    offsets.length !== 2 ||
    !offsets.every(isCount)
  ) {
    throw new ModelError(`${where} has a malformed entry in the header; the file is damaged.`);
  }
  const [begin, end] = offsets;
  if (begin > end || end > dataSize) {
    throw new ModelError(
      `${where} occupies bytes ${begin} to ${end} of ${dataSize}; the file is truncated or damaged.`,
    );
  }
  const values = shape.reduce((product, n) => product * n, 1);
  if (Object.hasOwn(BYTES_PER_VALUE, dtype) && values * BYTES_PER_VALUE[dtype] !== end - begin) {
    throw new ModelError(
      `${where} of shape ${shown(shape)} and dtype ${dtype} does not have ${end - begin} bytes; ` +
        "the file is damaged.",
    );
  }
  return { dtype, shape, data_offsets: [begin, end] };
}

function writeAll(file: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length;) done += writeSync(file, bytes, done, Math.min(CHUNK, bytes.length - done));
}
