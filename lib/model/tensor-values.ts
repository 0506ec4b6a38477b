// Reading the values of tensors from files, as float32.
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { ModelError } from "../data/errors";

/** Bytes of a value, by the data type's name in safetensors, of the types that {@link widen} converts. */
export const BYTES_PER_VALUE: Readonly<Record<string, number>> = { F64: 8, F32: 4, F16: 2, BF16: 2 };

/**
 * Opens a file for reading.
 * @throws {ModelError} if it cannot be opened or is not a file
 */
export function openFile(path: string): number {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch (error) {
    throw new ModelError(`${path}: cannot be opened (${(error as NodeJS.ErrnoException).code}).`);
  }
  if (fstatSync(file).isFile()) return file;
  closeSync(file);
  throw new ModelError(`${path}: cannot be opened, because it is not a file.`);
}

/**
 * Reads bytes of a file.
 * @throws {ModelError} if the file cannot be opened, or ends before `length` bytes are read
 */
export function readPart(path: string, length: number, position: number): Buffer {
  const file = openFile(path);
  try {
    return readBytes(file, length, position, path);
  } finally {
    closeSync(file);
  }
}

/** Bytes per read or write call; the system limits a call to 2 GiB. */
export const CHUNK = 1 << 30;

/**
 * Reads bytes of an open file.
 * @throws {ModelError} if the file ends before `length` bytes are read
 */
export function readBytes(file: number, length: number, position: number, path: string): Buffer {
  // Not Buffer.alloc, which may use Node's pool: a new ArrayBuffer is aligned for a typed array over it.
  const bytes = Buffer.from(new ArrayBuffer(length));
  let done = 0;
  while (done < length) {
    const read = readSync(file, bytes, done, Math.min(CHUNK, length - done), position + done);
    if (read === 0) throw new ModelError(`${path}: ends after ${position + done} bytes; the file is truncated.`);
    done += read;
  }
  return bytes;
}

/**
 * Converts the bytes of a tensor, aligned as those of {@link readBytes} are, to float32. F32 values are not copied, F64
 * values are rounded.
 */
export function widen(bytes: Buffer, dtype: string): Float32Array {
  if (dtype === "F32") return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  if (dtype === "F64") return new Float32Array(new Float64Array(bytes.buffer, bytes.byteOffset, bytes.length / 8));
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
