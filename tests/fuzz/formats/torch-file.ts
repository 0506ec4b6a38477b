import { join } from "node:path";
import type { HostTensor } from "../../../lib/model/safetensors";
import { readTorchFile, readTorchShapes } from "../../../lib/model/torch-file";
import { dictionary, membersOf, pickleOf, storage, tensor, zipOf, type Member } from "../../model/torch-zip";
import type { Draw } from "../draw";
import type { Expected, Format } from "../format";
import { rawTensor, type RawTensor } from "./model-files";
import { float32Bits, tensorDifference, type ReferenceTensor } from "./safetensors-reference";

const FILE = "pytorch_model.bin";
const STORAGES: Record<string, string> = { F32: "FloatStorage", F16: "HalfStorage", BF16: "BFloat16Storage" };

/** A tensor by what the pickle says of it, and its storage. */
interface View {
  name: string;
  of: RawTensor;
  offset: number;
  shape: number[];
  strides: number[];
}

/** What files were made of; a file whose bytes were changed since is another buffer. */
const madeOf = new WeakMap<Buffer, View[]>();

/** A file of views. */
function fileOf(views: View[], wideEnd: boolean): Buffer {
  const bytes = zipOf(membersOfViews(views), { wideEnd });
  madeOf.set(bytes, views);
  return bytes;
}

/** PyTorch's checkpoints: views of any strides, pickles and directories of zip files that lie. */
export const torchFile: Format<Map<string, HostTensor>> = {
  name: "torch-file",
  place:
    /pickle|tensor|storage|zip file|data\.pkl|byte|little-endian|cannot be opened|dictionary|compressed|TorchScript/,

  valid(draw) {
    const views = ["a", "b.weight", "__proto__", "é😀", ""].slice(0, draw.int(6)).map((name) => viewOf(draw, name));
    return new Map([[FILE, fileOf(views, draw.chance(0.7))]]);
  },

  mutate(draw, files) {
    const views = madeOf.get(files.get(FILE)!)!;
    const kind = draw.pick(views.length > 0 ? ["view", "view", "pickle", "pickle", "member"] : ["pickle", "member"]);
    if (kind === "view") {
      const changed = views.map((view) => (draw.chance(0.5) ? otherView(draw, view) : view));
      files.set(FILE, fileOf(changed, true));
      return "other views";
    }
    const members = membersOfViews(views);
    if (kind === "pickle") members[0].bytes = otherPickle(draw, Buffer.from(members[0].bytes));
    else {
      const at = draw.int(members.length);
      members[at] = otherMember(draw, members[at], members);
    }
    files.set(FILE, zipOf(members, { wideEnd: draw.chance(0.7), count: members.length - (draw.chance(0.1) ? 1 : 0) }));
    return kind;
  },

  read(dir) {
    const path = join(dir, FILE);
    const tensors = [...readTorchFile(path)].map(([name, { shape, data }]): [string, HostTensor] => [
      name,
      { shape, data },
    ]);
    const shapes = JSON.stringify([...readTorchShapes(path)]);
    if (shapes !== JSON.stringify(tensors.map(([name, { shape }]) => [name, shape])))
      throw new Error("readTorchShapes and readTorchFile differ");
    return new Map(tensors);
  },

  expected(files): Expected<Map<string, HostTensor>> {
    const bytes = files.get(FILE);
    if (!bytes) return { refused: "no file" };
    const views = madeOf.get(bytes);
    if (!views) return { mayRefuse: true, check: shapeDifference };
    const tensors = new Map<string, ReferenceTensor>();
    for (const view of views) {
      const bits = gathered(view);
      if (!bits) return { refused: `${view.name} is not within its storage, or repeats it` };
      tensors.set(view.name, { shape: view.shape, bits });
    }
    return { mayRefuse: false, check: (value) => tensorDifference(value, tensors) };
  },
};

function viewOf(draw: Draw, name: string): View {
  const shape = Array.from({ length: draw.int(4) }, () => draw.pick([0, 1, 2, 3, 5]));
  const order = shape.map((_, i) => i).sort(() => draw.int(3) - 1);
  const strides = shape.map(() => 0);
  let next = draw.pick([1, 1, 2]);
  for (const i of order) {
    strides[i] = next;
    next *= Math.max(1, shape[i]);
  }
  const offset = draw.pick([0, 0, 1, 7]);
  const of = rawTensor(draw, name, [offset + next + draw.int(3)], draw.pick(Object.keys(STORAGES)));
  return { name, of, offset, shape, strides };
}

function otherView(draw: Draw, view: View): View {
  const other = (n: number) => (draw.chance(0.4) ? draw.pick([n + 1, n * 2, 0, 1, 3, n - 1, 2 ** 31, 2 ** 45]) : n);
  return { ...view, offset: other(view.offset), shape: view.shape.map(other), strides: view.strides.map(other) };
}

function membersOfViews(views: readonly View[]): Member[] {
  const tensors = views.map(({ name, of, offset, shape, strides }, i): [string, Uint8Array] => [
    name,
    tensor(storage(STORAGES[of.dtype], String(i), of.shape[0]), offset, shape, strides),
  ]);
  const values = views.map(({ of }, i): [string, Uint8Array] => [String(i), of.bytes]);
  return membersOf(pickleOf(dictionary(Object.fromEntries(tensors))), Object.fromEntries(values));
}

/** Values by the definition of strides; undefined if one is outside, or there are more than the storage has. */
function gathered({ of, offset, shape, strides }: View): Uint32Array | undefined {
  if ([offset, ...shape, ...strides].some((n) => n < 0) || offset > of.shape[0]) return undefined;
  const count = shape.includes(0) ? 0 : shape.reduce((product, n) => product * n, 1);
  if (count > of.shape[0]) return undefined;
  const stored = float32Bits(of.bytes, of.dtype);
  const bits = new Uint32Array(count);
  for (let i = 0; i < count; i++) {
    let rest = i;
    let at = offset;
    for (let dimension = shape.length - 1; dimension >= 0; dimension--) {
      at += (rest % shape[dimension]) * strides[dimension];
      rest = Math.floor(rest / shape[dimension]);
    }
    if (at >= stored.length) return undefined;
    bits[i] = stored[at];
  }
  return bits;
}

const OPCODES = ".(0120FIJKLMNPQRSTUVXabcdeghijloprqstu}]) \x80\x81\x85\x86\x87\x88\x89\x8a\x93\x95";

function otherPickle(draw: Draw, pickle: Buffer): Buffer {
  const at = draw.int(pickle.length);
  const opcode = Buffer.from(draw.pick([...OPCODES]), "latin1");
  switch (draw.pick(["opcode", "byte", "insert", "remove", "repeat"])) {
    case "opcode":
      pickle[at] = opcode[0];
      return pickle;
    case "byte":
      pickle[at] = draw.int(256);
      return pickle;
    case "insert":
      return Buffer.concat([pickle.subarray(0, at), opcode, pickle.subarray(at)]);
    case "remove":
      return Buffer.concat([pickle.subarray(0, at), pickle.subarray(at + draw.pick([1, 1, 4, 20]))]);
    default:
      return Buffer.concat([pickle.subarray(0, at), pickle.subarray(Math.max(0, at - draw.int(80)))]);
  }
}

function otherMember(draw: Draw, member: Member, members: readonly Member[]): Member {
  const field = draw.pick(["size", "compressed", "offset", "method", "flags", "localMethod"] as const);
  const value = draw.pick([0, 1, 8, 24, 100, 2 ** 31, 2 ** 40, Number.MAX_SAFE_INTEGER]);
  const isNarrow = field === "method" || field === "flags" || field === "localMethod";
  return draw.pick<Member>([
    { ...member, isWide: true },
    { ...member, isWide: !isNarrow, lies: { [field]: isNarrow ? value % 65536 : value } },
    { ...member, name: draw.pick(members).name },
    { ...member, localName: draw.pick(members).name },
    { ...member, name: draw.pick(["", "model/", "data.pkl", "../x", "model/constants.pkl", "\0"]) },
    { ...member, bytes: Buffer.concat([member.bytes, Buffer.alloc(draw.pick([1, 4]))]) },
  ]);
}

/** Whatever a damaged file holds, a tensor has the values that its shape says. */
function shapeDifference(tensors: ReadonlyMap<string, HostTensor>): string | undefined {
  for (const [name, { shape, data }] of tensors)
    if (shape.reduce((product, n) => product * n, 1) !== data.length) return `${name} has ${data.length} values`;
  return undefined;
}
