// Where the members of a zip file lie. Its directory must be as the format's description says, with nothing left to a
// reader's choice, so that two readers cannot differ.
// Source: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
import { fstatSync } from "node:fs";
import { ModelError } from "../data/errors";
import { shown } from "../data/validate";
import { readBytes } from "./tensor-values";

/** A member's bytes in the file. */
export interface ZipMember {
  position: number;
  size: number;
  /** true if the bytes are the member's content, without compression or encryption */
  isPlain: boolean;
}

/** A member as the directory has it; `offset` is that of the header before its bytes. */
interface DirectoryEntry {
  name: string;
  size: number;
  offset: number;
  method: number;
  isPlain: boolean;
}

const [LOCAL_HEADER, ENTRY, END, END_64, LOCATOR_64] = [0x04034b50, 0x02014b50, 0x06054b50, 0x06064b50, 0x07064b50];
const [LOCAL_HEADER_BYTES, ENTRY_BYTES, END_BYTES, END_64_BYTES, LOCATOR_64_BYTES] = [30, 46, 22, 56, 20];
/** What a field of 2 or 4 bytes holds if the value is in a field of zip64. */
const [WIDE_16, WIDE_32] = [0xffff, 0xffffffff];
const ZIP64_EXTRA = 1;
const [STORED, ENCRYPTED] = [0, 1];
const [MAX_MEMBERS, MAX_DIRECTORY_BYTES] = [100_000, 1 << 26];

/**
 * Finds the members of an open zip file, zip64 included, without reading their content.
 *
 * @param path names the file in errors
 * @throws {ModelError} if the directory is damaged or does not fit the file, or members overlap or have the same name
 */
export function zipMembers(file: number, path: string): Map<string, ZipMember> {
  const { start, size, count } = findDirectory(file, path);
  const entries = directoryEntries(readBytes(file, size, start, path), count, path);
  entries.sort((a, b) => a.offset - b.offset);
  const members = new Map<string, ZipMember>();
  let end = 0;
  for (const entry of entries) {
    const where = `${path}: member ${shown(entry.name)} of the zip file`;
    if (members.has(entry.name)) throw new ModelError(`${where} is there twice; the file is damaged.`);
    if (entry.offset < end) throw new ModelError(`${where} overlaps the one before; the file is damaged.`);
    const position = entry.offset + localHeaderBytes(file, entry, start, where);
    end = position + entry.size;
    if (!(end <= start)) throw new ModelError(`${where} ends within the directory; the file is damaged.`);
    members.set(entry.name, { position, size: entry.size, isPlain: entry.isPlain });
  }
  return members;
}

const u64 = (bytes: Buffer, at: number) => Number(bytes.readBigUInt64LE(at));

/** Finds the directory by the record at the end of the file. */
function findDirectory(file: number, path: string): { start: number; size: number; count: number } {
  const fileSize = fstatSync(file).size;
  const damaged = `${path}: the zip file does not end with its directory; the file of ${fileSize} bytes is truncated or damaged.`;
  if (fileSize < END_BYTES) throw new ModelError(damaged);
  let before = fileSize - END_BYTES;
  const end = readBytes(file, END_BYTES, before, path);
  if (end.readUInt32LE() !== END || end.readUInt32LE(4) !== 0 || end.readUInt16LE(20) !== 0)
    throw new ModelError(damaged);
  const narrow = [end.readUInt16LE(8), end.readUInt16LE(10), end.readUInt32LE(12), end.readUInt32LE(16)];
  let fields = narrow;
  const wideBytes = END_64_BYTES + LOCATOR_64_BYTES;
  const tail = before >= wideBytes ? readBytes(file, wideBytes, before - wideBytes, path) : Buffer.alloc(wideBytes);
  if (tail.readUInt32LE(END_64_BYTES) === LOCATOR_64) {
    before -= wideBytes;
    if (tail.readUInt32LE() !== END_64 || u64(tail, END_64_BYTES + 8) !== before) throw new ModelError(damaged);
    fields = [u64(tail, 24), u64(tail, 32), u64(tail, 40), u64(tail, 48)];
    const isSame = (value: number, i: number) => value === fields[i] || value === (i < 2 ? WIDE_16 : WIDE_32);
    if (!narrow.every(isSame)) throw new ModelError(damaged);
  }
  const [here, count, size, start] = fields;
  if (here !== count || start + size !== before) throw new ModelError(damaged);
  if (count > MAX_MEMBERS || size > MAX_DIRECTORY_BYTES)
    throw new ModelError(`${path}: the zip file has ${count} members in ${size} bytes; that many are not read.`);
  return { start, size, count };
}

function directoryEntries(directory: Buffer, count: number, path: string): DirectoryEntry[] {
  const entries: DirectoryEntry[] = [];
  let at = 0;
  while (at + ENTRY_BYTES <= directory.length && directory.readUInt32LE(at) === ENTRY) {
    const [nameBytes, extraBytes, commentBytes] = [28, 30, 32].map((field) => directory.readUInt16LE(at + field));
    const extra = at + ENTRY_BYTES + nameBytes;
    const name = directory.toString("utf8", at + ENTRY_BYTES, extra);
    entries.push(directoryEntry(name, directory.subarray(at), directory.subarray(extra, extra + extraBytes), path));
    at = extra + extraBytes + commentBytes;
  }
  if (entries.length === count && at === directory.length) return entries;
  throw new ModelError(`${path}: the directory of the zip file does not have ${count} entries; the file is damaged.`);
}

function directoryEntry(name: string, fixed: Buffer, extra: Buffer, path: string): DirectoryEntry {
  const [flags, method] = [fixed.readUInt16LE(8), fixed.readUInt16LE(10)];
  const isPlain = method === STORED && (flags & ENCRYPTED) === 0;
  const wide = zip64Values(extra);
  const valueOf = (field: number) => {
    const value = fixed.readUInt32LE(field);
    return value === WIDE_32 ? (wide.shift() ?? NaN) : value;
  };
  const [content, size, offset] = [valueOf(24), valueOf(20), valueOf(42)]; // the order of the zip64 field
  if (Number.isNaN(size + offset) || (isPlain && content !== size))
    throw new ModelError(`${path}: member ${shown(name)} of the zip file has a damaged entry; the file is damaged.`);
  return { name, size, offset, method, isPlain };
}

/** The values of an entry's zip64 field: those that do not fit into 4 bytes, in the order of the entry. */
function zip64Values(extra: Buffer): number[] {
  for (let at = 0; at + 4 <= extra.length;) {
    const [id, length] = [extra.readUInt16LE(at), extra.readUInt16LE(at + 2)];
    const value = extra.subarray(at + 4, at + 4 + length);
    if (id === ZIP64_EXTRA) return Array.from({ length: value.length >> 3 }, (_, i) => u64(value, 8 * i));
    at += 4 + length;
  }
  return [];
}

/** Checks the header before a member's bytes. @returns its length */
function localHeaderBytes(
  file: number,
  { name, offset, method }: DirectoryEntry,
  limit: number,
  where: string,
): number {
  const fits = (bytes: number) => offset + bytes <= limit;
  const nameBytes = Buffer.from(name);
  const length = LOCAL_HEADER_BYTES + nameBytes.length;
  if (fits(length)) {
    const header = readBytes(file, length, offset, where);
    const isRight =
      header.readUInt32LE() === LOCAL_HEADER &&
      header.readUInt16LE(8) === method &&
      header.readUInt16LE(26) === nameBytes.length &&
      header.subarray(LOCAL_HEADER_BYTES).equals(nameBytes);
    if (isRight) return length + header.readUInt16LE(28);
  }
  throw new ModelError(`${where} is not at byte ${offset}, where the directory says; the file is damaged.`);
}
