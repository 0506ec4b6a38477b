// An interpreter of the few opcodes of Python's pickle format that a dictionary of tensors needs. It calls nothing but
// what its caller gives it: an opcode or a global that is known to neither is refused by name.
// Sources: Lib/pickletools.py of Python (opcodes), torch/_weights_only_unpickler.py (which ones torch.save writes).
import { ModelError } from "../data/errors";

/** A value of a pickle: tuples are arrays, dictionaries are maps; other objects are what the caller makes. */
export type PickleValue = null | boolean | number | string | object;

/** What a pickle may name and call. */
export interface PickleWorld {
  /** The value of a global, such as "collections.OrderedDict"; undefined refuses it. */
  find(name: string): PickleValue | undefined;
  /** The result of a call. @param callee any value of the pickle */
  call(callee: PickleValue, values: readonly PickleValue[]): PickleValue;
  /** An object that is stored outside of the pickle. */
  load(id: PickleValue): PickleValue;
}

/** Limits: a checkpoint has some 50 opcodes per tensor; a whole number has at most 6 bytes, which a double holds. */
const [MAX_OPCODES, MAX_NAME_BYTES, MAX_LONG_BYTES] = [2_000_000, 200, 6];
const PROTOCOL = 2;

/**
 * Reads a pickle.
 *
 * @param where names it in errors
 * @throws {ModelError} if it is damaged, or asks for anything but plain values and what the world gives
 */
export function unpickle(bytes: Buffer, world: PickleWorld, where: string): PickleValue {
  const reader = new Unpickler(bytes, world, where);
  const [opcode, protocol] = reader.take(2);
  if (opcode !== 0x80 || protocol !== PROTOCOL)
    throw reader.damaged(`does not begin with protocol ${PROTOCOL}, which torch.save writes`);
  for (let count = 0; count < MAX_OPCODES; count++) {
    const opcode = reader.take(1)[0];
    if (opcode === STOP) return reader.end();
    const step = STEPS[opcode];
    if (!step) throw reader.refused(`has the opcode ${REFUSED[opcode] ?? `0x${opcode.toString(16)}`}`);
    step(reader);
  }
  throw reader.damaged(`has more than ${MAX_OPCODES} opcodes`);
}

const STOP = 0x2e;
/** What the opcodes do. */
const STEPS: Readonly<Record<number, (reader: Unpickler) => void>> = {
  0x4e: (reader) => reader.push(null), // NONE
  0x88: (reader) => reader.push(true), // NEWTRUE
  0x89: (reader) => reader.push(false), // NEWFALSE
  0x4a: (reader) => reader.push(reader.take(4).readInt32LE()), // BININT
  0x4b: (reader) => reader.push(reader.take(1)[0]), // BININT1
  0x4d: (reader) => reader.push(reader.take(2).readUInt16LE()), // BININT2
  0x8a: (reader) => reader.push(reader.long()), // LONG1
  0x58: (reader) => reader.push(reader.text(reader.take(reader.index()))), // BINUNICODE
  0x7d: (reader) => reader.push(new Map()), // EMPTY_DICT
  0x29: (reader) => reader.push([]), // EMPTY_TUPLE
  0x85: (reader) => reader.push(reader.pop(1)), // TUPLE1
  0x86: (reader) => reader.push(reader.pop(2)), // TUPLE2
  0x87: (reader) => reader.push(reader.pop(3)), // TUPLE3
  0x28: (reader) => reader.mark(), // MARK
  0x74: (reader) => reader.push(reader.sinceMark()), // TUPLE
  0x73: (reader) => reader.setItems(reader.pop(2)), // SETITEM
  0x75: (reader) => reader.setItems(reader.sinceMark()), // SETITEMS
  0x71: (reader) => reader.memo.set(reader.take(1)[0], reader.top()), // BINPUT
  0x72: (reader) => reader.memo.set(reader.index(), reader.top()), // LONG_BINPUT
  0x68: (reader) => reader.recall(reader.take(1)[0]), // BINGET
  0x6a: (reader) => reader.recall(reader.index()), // LONG_BINGET
  0x63: (reader) => reader.global(`${reader.line()}.${reader.line()}`), // GLOBAL
  0x51: (reader) => reader.push(reader.world.load(reader.pop(1)[0])), // BINPERSID
  0x52: (reader) => reader.reduce(), // REDUCE
  0x62: (reader) => reader.build(), // BUILD
};

/** Opcodes that make objects of any class, lists, floats, and those of other protocols. */
const REFUSED: Readonly<Record<number, string>> = {
  ...{ 0x69: "INST", 0x6f: "OBJ", 0x81: "NEWOBJ", 0x82: "EXT1", 0x83: "EXT2", 0x84: "EXT4" },
  ...{ 0x92: "NEWOBJ_EX", 0x93: "STACK_GLOBAL", 0x47: "BINFLOAT", 0x5d: "EMPTY_LIST", 0x8f: "EMPTY_SET" },
};

class Unpickler {
  private at = 0;
  private stack: PickleValue[] = [];
  /** the stacks below the marks */
  private readonly below: PickleValue[][] = [];
  readonly memo = new Map<number, PickleValue>();

  constructor(
    private readonly bytes: Buffer,
    readonly world: PickleWorld,
    private readonly where: string,
  ) {}

  end(): PickleValue {
    if (this.at < this.bytes.length) throw this.damaged("goes on after its end");
    return this.top();
  }

  push(value: PickleValue): void {
    this.stack.push(value);
  }

  top(): PickleValue {
    const value = this.stack.at(-1);
    if (value === undefined) throw this.damaged("asks for a value that is not there");
    return value;
  }

  pop(count: number): PickleValue[] {
    if (this.stack.length < count) throw this.damaged("asks for a value that is not there");
    return this.stack.splice(-count);
  }

  mark(): void {
    this.below.push(this.stack);
    this.stack = [];
  }

  sinceMark(): PickleValue[] {
    const [items, below] = [this.stack, this.below.pop()];
    if (!below) throw this.damaged("asks for a mark that is not there");
    this.stack = below;
    return items;
  }

  global(name: string): void {
    const value = this.world.find(name);
    if (value === undefined) throw this.refused(`asks for ${name}`);
    this.push(value);
  }

  reduce(): void {
    const [callee, values] = this.pop(2);
    if (!Array.isArray(values)) throw this.damaged("has a call without a tuple of arguments");
    this.push(this.world.call(callee, values));
  }

  /** Ignores `_metadata`, an attribute of the dictionary that `state_dict()` of a PyTorch module returns. */
  build(): void {
    const [state] = this.pop(1);
    const isMetadata = state instanceof Map && state.size === 1 && state.has("_metadata");
    if (!isMetadata || !(this.top() instanceof Map)) throw this.refused("sets the state of an object (opcode BUILD)");
  }

  setItems(items: PickleValue[]): void {
    const map = this.top();
    if (!(map instanceof Map) || items.length % 2 !== 0) throw this.damaged("sets items of what is not a dictionary");
    for (let i = 0; i < items.length; i += 2) map.set(items[i], items[i + 1]);
  }

  recall(index: number): void {
    const value = this.memo.get(index);
    if (value === undefined) throw this.damaged(`asks for value ${index} before it is there`);
    this.push(value);
  }

  take(count: number): Buffer {
    const end = this.at + count;
    if (end > this.bytes.length) throw this.damaged(`ends after ${this.bytes.length} bytes, in the middle of a value`);
    const part = this.bytes.subarray(this.at, end);
    this.at = end;
    return part;
  }

  index(): number {
    return this.take(4).readUInt32LE();
  }

  long(): number {
    const count = this.take(1)[0];
    if (count > MAX_LONG_BYTES) throw this.damaged("has a number that is too large");
    return count === 0 ? 0 : this.take(count).readIntLE(0, count);
  }

  line(): string {
    const length = this.bytes.subarray(this.at, this.at + MAX_NAME_BYTES + 1).indexOf("\n");
    if (length < 0) throw this.damaged(`has a name without an end, or of more than ${MAX_NAME_BYTES} bytes`);
    return this.text(this.take(length + 1).subarray(0, length));
  }

  text(bytes: Buffer): string {
    try {
      return UTF8.decode(bytes);
    } catch {
      throw this.damaged("has a text that is not UTF-8");
    }
  }

  damaged(problem: string): ModelError {
    return new ModelError(`${this.where} ${problem}; the file is damaged or not a checkpoint of tensors.`);
  }

  refused(problem: string): ModelError {
    return new ModelError(
      `${this.where} ${problem}, which is not a part of a tensor; nothing was executed. If you trust the file, load it ` +
        "with PyTorch and save the state_dict() of the model alone.",
    );
  }
}

const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
