// Pickles and zip files made by hand, to test what reads PyTorch's checkpoints. Nothing here is the product's.

/** Opcodes of a pickle, one after the other. */
export const pickleOf = (...parts: readonly Uint8Array[]) =>
  Buffer.concat([Uint8Array.of(0x80, 2), ...parts, Buffer.from(".")]);

const number = (opcode: string, bytes: number, write: (buffer: Buffer) => void) => {
  const buffer = Buffer.alloc(bytes);
  write(buffer);
  return Buffer.concat([Buffer.from(opcode), buffer]);
};

/** Opcodes by their letter. */
export const raw = (text: string) => Buffer.from(text, "latin1");
export const text = (value: string) =>
  Buffer.concat([number("X", 4, (buffer) => buffer.writeUInt32LE(Buffer.byteLength(value))), Buffer.from(value)]);
/** A whole number of at most 6 bytes, as BININT or LONG1. */
export const int = (value: number) =>
  Math.abs(value) < 2 ** 31
    ? number("J", 4, (buffer) => buffer.writeInt32LE(value))
    : number("\u0000", 7, (buffer) => (buffer.writeUInt8(6), buffer.writeIntLE(value, 1, 6))).fill(0x8a, 0, 1);
export const global = (module: string, name: string) => raw(`c${module}\n${name}\n`);
export const tuple = (...items: readonly Uint8Array[]) => Buffer.concat([raw("("), ...items, raw("t")]);
export const dictionary = (entries: Readonly<Record<string, Uint8Array>>) =>
  Buffer.concat([raw("}("), ...Object.entries(entries).flatMap(([key, value]) => [text(key), value]), raw("u")]);
export const call = (callee: Uint8Array, ...values: readonly Uint8Array[]) =>
  Buffer.concat([callee, tuple(...values), raw("R")]);
export const FALSE = Buffer.of(0x89);
export const HOOKS = call(global("collections", "OrderedDict"));

/** A storage with `length` values, such as ("FloatStorage", "0", 6). */
export const storage = (type: string, key: string, length: number) =>
  Buffer.concat([tuple(text("storage"), global("torch", type), text(key), text("cpu"), int(length)), raw("Q")]);

/** A tensor as torch.save writes it. */
export const tensor = (of: Uint8Array, offset: number, shape: readonly number[], strides: readonly number[]) =>
  call(
    global("torch._utils", "_rebuild_tensor_v2"),
    ...[of, int(offset), tuple(...shape.map(int)), tuple(...strides.map(int)), FALSE, HOOKS],
  );

/** A member of a zip file, and what is said of it instead of the truth. */
export interface Member {
  name: string;
  bytes: Uint8Array;
  lies?: Partial<Record<"size" | "compressed" | "offset" | "method" | "flags" | "localMethod", number>>;
  /** what the header before the bytes says instead of the name */
  localName?: string;
  /** true if the sizes and the offset are in a field of zip64 */
  isWide?: boolean;
}

/** A zip file with its members in order; `wideEnd` adds the records of zip64 at the end, as torch.save does. */
export function zipOf(members: readonly Member[], { wideEnd = true, base = 0, count = members.length } = {}): Buffer {
  const parts: Uint8Array[] = [];
  let offset = base;
  const entries = members.map((member) => {
    const header = localHeader(member);
    parts.push(header, member.bytes);
    const entry = directoryEntry(member, offset);
    offset += header.length + member.bytes.length;
    return entry;
  });
  const directory = Buffer.concat(entries);
  return Buffer.concat([...parts, directory, endOf(count, directory.length, offset, wideEnd)]);
}

function localHeader({ name, localName = name, bytes, lies = {} }: Member): Buffer {
  const header = Buffer.alloc(30);
  header.writeUInt32LE(0x04034b50);
  header.writeUInt16LE(lies.localMethod ?? lies.method ?? 0, 8);
  header.writeUInt32LE(Math.min(bytes.length, 0xffffffff), 18);
  header.writeUInt32LE(Math.min(bytes.length, 0xffffffff), 22);
  header.writeUInt16LE(Buffer.byteLength(localName), 26);
  header.writeUInt16LE(5, 28); // padding in an extra field, as torch.save has
  return Buffer.concat([header, Buffer.from(localName), raw("FB\u0001\u0000Z")]);
}

function directoryEntry({ name, bytes, lies = {}, isWide = false }: Member, at: number): Buffer {
  const { size = bytes.length, compressed = size, offset = at, method = 0, flags = 0 } = lies;
  const wide = isWide
    ? number("\u0001\u0000\u0018\u0000", 24, (buffer) => writeWide(buffer, size, compressed, offset))
    : Buffer.of();
  const entry = Buffer.alloc(46);
  entry.writeUInt32LE(0x02014b50);
  entry.writeUInt16LE(flags, 8);
  entry.writeUInt16LE(method, 10);
  entry.writeUInt32LE(isWide ? 0xffffffff : compressed, 20);
  entry.writeUInt32LE(isWide ? 0xffffffff : size, 24);
  entry.writeUInt16LE(Buffer.byteLength(name), 28);
  entry.writeUInt16LE(wide.length, 30);
  entry.writeUInt32LE(isWide ? 0xffffffff : offset, 42);
  return Buffer.concat([entry, Buffer.from(name), wide]);
}

const writeWide = (buffer: Buffer, ...values: readonly number[]) =>
  values.forEach((value, i) => buffer.writeBigUInt64LE(BigInt(value), 8 * i));

/** The records at the end of a zip file. */
export function endOf(count: number, size: number, start: number, wideEnd: boolean): Buffer {
  const wide = Buffer.alloc(wideEnd ? 76 : 0);
  if (wideEnd) {
    wide.writeUInt32LE(0x06064b50);
    wide.writeUInt32LE(44, 4);
    writeWide(wide.subarray(24), count, count, size, start);
    wide.writeUInt32LE(0x07064b50, 56);
    writeWide(wide.subarray(64), start + size);
    wide.writeUInt32LE(1, 72);
  }
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50);
  end.writeUInt16LE(count, 8);
  end.writeUInt16LE(count, 10);
  end.writeUInt32LE(size, 12);
  end.writeUInt32LE(Math.min(start, 0xffffffff), 16);
  return Buffer.concat([wide, end]);
}

/** The members of a checkpoint with a pickle and storages by their keys. */
export const membersOf = (pickle: Uint8Array, storages: Readonly<Record<string, Uint8Array>> = {}): Member[] => [
  { name: "model/data.pkl", bytes: pickle },
  { name: "model/byteorder", bytes: raw("little") },
  ...Object.entries(storages).map(([key, bytes]) => ({ name: `model/data/${key}`, bytes })),
];
