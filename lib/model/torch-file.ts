// Checkpoints of PyTorch (pytorch_model.bin): a zip file with a pickle, which describes the tensors, and a member per
// storage, which has values. Nothing of the pickle is executed: pickle.ts understands tensors only.
// Source: _save and _load in torch/serialization.py, _rebuild_tensor_v2 in torch/_utils.py (PyTorch 2.14).
import { closeSync, fstatSync } from "node:fs";
import { ModelError } from "../data/errors";
import { shown } from "../data/validate";
import { unpickle, type PickleValue } from "./pickle";
import type { HostTensor } from "./safetensors";
import { BYTES_PER_VALUE, openFile, readBytes, readPart, widen } from "./tensor-values";
import { zipMembers, type ZipMember } from "./zip-members";

/** Data types by the classes of storages, as safetensors names them. */
const STORAGE_TYPES: Readonly<Record<string, string>> = {
  "torch.DoubleStorage": "F64",
  "torch.FloatStorage": "F32",
  "torch.HalfStorage": "F16",
  "torch.BFloat16Storage": "BF16",
  "torch.LongStorage": "I64",
  "torch.IntStorage": "I32",
  "torch.ShortStorage": "I16",
  "torch.CharStorage": "I8",
  "torch.ByteStorage": "U8",
  "torch.BoolStorage": "BOOL",
};
/** Bytes of a value of the types that are known but not converted. */
const OTHER_BYTES: Readonly<Record<string, number>> = { I64: 8, I32: 4, I16: 2, I8: 1, U8: 1, BOOL: 1 };
const bytesPerValue = (dtype: string) => BYTES_PER_VALUE[dtype] ?? OTHER_BYTES[dtype];

const DICTIONARY = "collections.OrderedDict";
const TENSOR = "torch._utils._rebuild_tensor_v2";
const PARAMETER = "torch._utils._rebuild_parameter";
const MAX_PICKLE_BYTES = 1 << 26;
const MAX_DIMENSIONS = 64; // of a tensor in PyTorch
const SAVE_AGAIN = "load it and save its state_dict() again with a current PyTorch";

/** A global that a pickle names. */
class Global {
  constructor(readonly name: string) {}
}

/** The values that tensors share. */
class Storage {
  constructor(
    readonly dtype: string,
    /** number of values */
    readonly length: number,
    /** of the first byte in the file */
    readonly position: number,
  ) {}
}

/** Which values of a storage are a tensor's. Offset and strides count values. */
class View {
  constructor(
    readonly storage: Storage,
    readonly offset: number,
    readonly shape: number[],
    readonly strides: number[],
  ) {}
}

/**
 * Opens a checkpoint that torch.save of PyTorch 1.6 or later wrote of a `state_dict()` and returns its tensors as
 * float32; float16 and bfloat16 are widened exactly, float64 is rounded. The values are read from the file on each access
 * to `data`. No code of the file is executed.
 *
 * @param accept selects tensors by name; default: all
 * @throws {ModelError} naming the file if it is of another format, is damaged, or has anything but tensors; naming the
 *   tensor if a selected one is not of a floating-point type
 */
export function readTorchFile(path: string, accept: (name: string) => boolean = () => true): Map<string, HostTensor> {
  const tensors = new Map<string, HostTensor>();
  for (const [name, view] of readViews(path)) {
    if (!accept(name)) continue;
    const { dtype } = view.storage;
    if (!Object.hasOwn(BYTES_PER_VALUE, dtype))
      throw new ModelError(`${path}: tensor "${name}" has dtype ${dtype}; only F64, F32, F16 and BF16 are supported.`);
    tensors.set(name, {
      shape: view.shape,
      get data() {
        return valuesOf(view, path);
      },
    });
  }
  return tensors;
}

/**
 * Reads names and shapes of a checkpoint's tensors, without their values.
 *
 * @throws {ModelError} as {@link readTorchFile}, whatever the tensors' types
 */
export function readTorchShapes(path: string): Map<string, number[]> {
  return new Map([...readViews(path)].map(([name, { shape }]) => [name, shape]));
}

function readViews(path: string): Map<string, View> {
  const file = openFile(path);
  try {
    checkBeginning(file, path);
    const { pickle, storages } = checkpointMembers(file, zipMembers(file, path), path);
    const where = `${path}: the pickle`;
    const call = (callee: PickleValue, values: readonly PickleValue[]) => rebuilt(callee, values, path);
    const load = (id: PickleValue) => storageOf(id, storages, path);
    return namedViews(unpickle(pickle, { find: globalOf, call, load }, where), path);
  } finally {
    closeSync(file);
  }
}

/** Refuses, with the way out, what PyTorch wrote before 1.6, and what is no zip file. */
function checkBeginning(file: number, path: string): void {
  const bytes = readBytes(file, Math.min(4, fstatSync(file).size), 0, path);
  if (bytes.length === 4 && bytes.readUInt32LE() === 0x04034b50) return;
  if (bytes[0] === 0x80)
    throw new ModelError(`${path}: this is a pickle, as PyTorch wrote before 1.6, and not a zip file; ${SAVE_AGAIN}.`);
  throw new ModelError(`${path}: this is not a zip file as torch.save writes it; it is damaged or of another format.`);
}

/** Sorts the members of the zip file, whose names begin with one folder. */
function checkpointMembers(
  file: number,
  members: ReadonlyMap<string, ZipMember>,
  path: string,
): { pickle: Buffer; storages: Map<string, ZipMember> } {
  const folder = /^[^/]*\//.exec([...members.keys()][0] ?? "")?.[0] ?? "";
  const stranger = [...members.keys()].find((name) => !name.startsWith(folder) || name === folder);
  const pickle = members.get(`${folder}data.pkl`);
  if (!pickle || folder === "" || stranger !== undefined)
    throw new ModelError(`${path}: the zip file does not have a folder with data.pkl; torch.save did not write it.`);
  if (members.has(`${folder}constants.pkl`))
    throw new ModelError(`${path}: this is a TorchScript archive, a program; ${SAVE_AGAIN} (torch.save).`);
  const packed = [...members].find(([, { isPlain }]) => !isPlain);
  if (packed)
    throw new ModelError(`${path}: member ${shown(packed[0])} is compressed or encrypted; ${SAVE_AGAIN} (torch.save).`);
  const order = members.get(`${folder}byteorder`);
  if (order && (order.size !== 6 || readBytes(file, 6, order.position, path).toString("latin1") !== "little"))
    throw new ModelError(`${path}: the values are not in little-endian order; ${SAVE_AGAIN} on a usual machine.`);
  if (pickle.size > MAX_PICKLE_BYTES)
    throw new ModelError(`${path}: data.pkl has ${pickle.size} bytes, over the limit of ${MAX_PICKLE_BYTES}.`);
  const data = `${folder}data/`;
  const stored = [...members].filter(([name]) => name.startsWith(data));
  return {
    pickle: readBytes(file, pickle.size, pickle.position, path),
    storages: new Map(stored.map(([name, member]) => [name.slice(data.length), member])),
  };
}

function globalOf(name: string): Global | undefined {
  const isKnown = [DICTIONARY, TENSOR, PARAMETER].includes(name) || Object.hasOwn(STORAGE_TYPES, name);
  return isKnown ? new Global(name) : undefined;
}

/** The result of a call of one of the three functions that make dictionaries, tensors and parameters. */
function rebuilt(callee: PickleValue, values: readonly PickleValue[], path: string): PickleValue {
  const name = callee instanceof Global ? callee.name : "";
  if (name === DICTIONARY && values.length === 0) return new Map();
  if (name === PARAMETER && values.length === 3 && values[0] instanceof View) return values[0];
  if (name === TENSOR && (values.length === 6 || (values.length === 7 && isEmpty(values[6]))))
    return viewOf(values, path);
  throw new ModelError(
    `${path}: the pickle calls ${name || "a value"} with ${values.length} arguments in a way that torch.save does not ` +
      "for plain tensors; nothing was executed.",
  );
}

const isEmpty = (value: PickleValue) => value === null || (value instanceof Map && value.size === 0);

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

/** A tensor whose values all lie in its storage. */
function viewOf([storage, offset, shape, strides]: readonly PickleValue[], path: string): View {
  const isList = (list: PickleValue): list is number[] =>
    Array.isArray(list) && list.length <= MAX_DIMENSIONS && list.every(isCount);
  if (!(storage instanceof Storage) || !isCount(offset) || !isList(shape) || !isList(strides))
    throw new ModelError(`${path}: the pickle has a tensor of malformed parts; the file is damaged.`);
  const view = new View(storage, offset, shape, strides);
  if (shape.length !== strides.length || !(offset <= storage.length) || !(spanOf(view) <= storage.length - offset))
    throw new ModelError(
      `${path}: a tensor of shape ${shown(shape)}, offset ${offset} and strides ${shown(strides)} is not ` +
        `within its storage of ${storage.length} values; the file is damaged.`,
    );
  if (countOf(view) > storage.length)
    throw new ModelError(
      `${path}: a tensor of shape ${shown(shape)} repeats the ${storage.length} values of its storage; save it ` +
        "again after contiguous().",
    );
  return view;
}

const countOf = ({ shape }: View) => (shape.includes(0) ? 0 : shape.reduce((product, n) => product * n, 1));

/** Number of values of the storage from a tensor's first to its last. */
const spanOf = (view: View) =>
  countOf(view) === 0 ? 0 : view.shape.reduce((last, n, i) => last + (n - 1) * view.strides[i], 0) + 1;

/** The storage of a persistent id: "storage", class, key, device and number of values. */
function storageOf(id: PickleValue, storages: ReadonlyMap<string, ZipMember>, path: string): Storage {
  const [kind, type, key, , length] = Array.isArray(id) && id.length === 5 ? (id as PickleValue[]) : [];
  const dtype = type instanceof Global ? STORAGE_TYPES[type.name] : undefined;
  if (kind !== "storage" || dtype === undefined || typeof key !== "string" || !isCount(length))
    throw new ModelError(`${path}: the pickle has a storage of malformed parts; the file is damaged.`);
  const member = storages.get(key);
  if (member?.size !== length * bytesPerValue(dtype))
    throw new ModelError(
      `${path}: storage ${shown(key)} has ${member ? `${member.size} bytes` : "no member in the zip file"}, not ` +
        `${length} values of type ${dtype}; the file is damaged.`,
    );
  return new Storage(dtype, length, member.position);
}

/** The tensors of a dictionary by their names. */
function namedViews(value: PickleValue, path: string): Map<string, View> {
  if (!(value instanceof Map)) throw new ModelError(`${path}: holds no dictionary of tensors; ${SAVE_AGAIN}.`);
  for (const [name, view] of value as Map<unknown, unknown>) {
    if (typeof name === "string" && view instanceof View) continue;
    throw new ModelError(
      `${path}: ${shown(name)} is not a tensor with a name; a checkpoint of a model has nothing else. Save state_dict() ` +
        "of the model alone.",
    );
  }
  return value as Map<string, View>;
}

/** Reads a tensor's values in row-major order. */
function valuesOf(view: View, path: string): Float32Array {
  const { storage, offset } = view;
  const width = bytesPerValue(storage.dtype);
  const values = widen(readPart(path, spanOf(view) * width, storage.position + offset * width), storage.dtype);
  return isRowMajor(view) ? values : gathered(values, view);
}

function isRowMajor({ shape, strides }: View): boolean {
  let expected = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    if (shape[i] !== 1 && strides[i] !== expected) return shape.includes(0);
    expected *= shape[i];
  }
  return true;
}

/** Copies values into row-major order. */
function gathered(values: Float32Array, view: View): Float32Array {
  const result = new Float32Array(countOf(view));
  let next = 0;
  const copy = (dimension: number, start: number) => {
    const [n, stride] = [view.shape[dimension], view.strides[dimension]];
    const isLast = dimension === view.shape.length - 1;
    for (let i = 0; i < n; i++) {
      if (isLast) result[next++] = values[start + i * stride];
      else copy(dimension + 1, start + i * stride);
    }
  };
  copy(0, 0);
  return result;
}
