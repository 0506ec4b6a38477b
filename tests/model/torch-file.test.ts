// Checkpoints of PyTorch against the same model as safetensors, and checkpoints that must be refused. The fixtures are
// made by fixtures/make_torch_file.py; all comparisons are bit by bit.
import assert from "node:assert/strict";
import { closeSync, cpSync, existsSync, ftruncateSync, mkdtempSync, openSync, readdirSync } from "node:fs";
import { readFileSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { after, test } from "node:test";
import { ModelError } from "../../lib/data/errors";
import { loadModel } from "../../lib/model/causal-lm";
import { readModel, weightFiles } from "../../lib/model/directory";
import { readSafetensors, type HostTensor } from "../../lib/model/safetensors";
import { readTorchFile, readTorchShapes } from "../../lib/model/torch-file";
import { DigestCache, modelDigest } from "../../lib/runs/digests";
import * as made from "./torch-zip";

const FIXTURES = join(__dirname, "fixtures", "torch-file");
const work = mkdtempSync(join(tmpdir(), "promptloss-torch-file-"));
after(() => rmSync(work, { recursive: true }));

/** A model directory with the fixture's config and the files of one of its folders whose names match. */
function directory(folder: string, files = /\.(bin|json)$/): string {
  const dir = mkdtempSync(join(work, `${folder}-`));
  cpSync(join(FIXTURES, "config.json"), join(dir, "config.json"));
  const from = join(FIXTURES, folder);
  for (const name of readdirSync(from)) if (files.test(name)) cpSync(join(from, name), join(dir, name));
  return dir;
}

function assertSame(tensors: ReadonlyMap<string, HostTensor>, expected: ReadonlyMap<string, HostTensor>): void {
  assert.deepEqual([...tensors.keys()].sort(), [...expected.keys()].sort());
  for (const [name, tensor] of expected) {
    const { shape, data } = tensors.get(name)!;
    assert.deepEqual(shape, tensor.shape, name);
    assert.ok(data.every((value, i) => Object.is(value, tensor.data[i])) && data.length === tensor.data.length, name);
  }
}

test("every form of a checkpoint has the values of the safetensors file, a tied head included", () => {
  const expected = readSafetensors(join(FIXTURES, "model.safetensors"));
  assert.equal(expected.size, 11);
  for (const folder of ["plain", "sharded", "views"]) {
    const { config, parameters } = readModel(directory(folder));
    assert.equal(config.tiedHead, true);
    assertSame(parameters, expected);
  }
  for (const folder of ["bfloat16", "float16"]) {
    const { parameters } = readModel(directory(folder));
    assertSame(parameters, readSafetensors(join(FIXTURES, folder, "model.safetensors")));
  }
  const whole = loadModel(directory("plain"));
  const reference = loadModel(directory(".", /^model\.safetensors$/));
  assert.deepEqual(whole.logits([3, 1, 4, 1, 5]), reference.logits([3, 1, 4, 1, 5]));
  whole.dispose();
  reference.dispose();
});

test("views of any rank are gathered; scalars and empty tensors are read", () => {
  const path = join(FIXTURES, "views", "permuted.bin");
  const tensors = readTorchFile(path);
  const a = Array.from({ length: 24 }, (_, i) => 12 * (Math.floor(i / 3) % 2) + 4 * (i % 3) + Math.floor(i / 6));
  const values = [...tensors].map(([name, { shape, data }]) => [name, shape, [...data]]);
  assert.deepEqual(values, [
    ["a", [4, 2, 3], a],
    ["scalar", [], [3.5]],
    ["empty", [0, 3], []],
    ["one", [1, 1, 2], [16, 19]],
  ]);
  assert.deepEqual([...readTorchShapes(path)].map(([, shape]) => shape), [[4, 2, 3], [], [0, 3], [1, 1, 2]]); // prettier-ignore
  assert.deepEqual([...readTorchFile(path, (name) => name === "one").keys()], ["one"]);
});

test("safetensors are preferred to a checkpoint; a directory without either names both", () => {
  const both = directory("bfloat16", /./);
  assert.deepEqual(weightFiles(both).map((file) => basename(file)), ["model.safetensors"]); // prettier-ignore
  rmSync(join(both, "model.safetensors"));
  assert.deepEqual(weightFiles(both).map((file) => basename(file)), ["pytorch_model.bin"]); // prettier-ignore
  const sharded = ["pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin"];
  assert.deepEqual(weightFiles(directory("sharded")).map((file) => basename(file)), sharded); // prettier-ignore
  assert.throws(() => weightFiles(directory("plain", /^$/)), /has neither model\.safetensors nor pytorch_model\.bin/);
});

test("the digest of a directory with a checkpoint is of the checkpoint, and is cached", () => {
  const dir = directory("sharded");
  writeFileSync(join(dir, "training_args.bin"), "no weights");
  const cache = new DigestCache(join(work, "store"));
  const first = modelDigest(dir, cache);
  const parameters = [...readModel(dir).parameters.values()].reduce((sum, { data }) => sum + data.length, 0);
  assert.equal(first.parameters, parameters + 11 * 8); // the shards have the tied head too
  cache.save();
  assert.deepEqual(modelDigest(dir, new DigestCache(join(work, "store"))), first);
  const shard = join(dir, "pytorch_model-00002-of-00002.bin");
  const bytes = readFileSync(shard);
  bytes[bytes.indexOf("little") + 200] ^= 1;
  writeFileSync(shard, bytes);
  assert.notEqual(modelDigest(dir, cache).digest, first.digest);
  assert.notEqual(modelDigest(directory("plain"), cache).digest, first.digest);
});

test("a safetensors file in float64 is rounded to float32", () => {
  const values = Float64Array.of(Math.PI, -1e-300, 1e300, 0.1);
  const header = Buffer.from('{"a":{"dtype":"F64","shape":[4],"data_offsets":[0,32]}}');
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  const path = join(work, "double.safetensors");
  writeFileSync(path, Buffer.concat([length, header, Buffer.from(values.buffer)]));
  const expected = [Math.fround(Math.PI), -0, Infinity, Math.fround(0.1)];
  assert.deepEqual([...readSafetensors(path).get("a")!.data], expected);
});

test("checkpoints that PyTorch writes of anything but tensors are refused by name, and nothing is executed", () => {
  const marker = join(work, "executed");
  process.env.PROMPTLOSS_MARKER = marker;
  const messages: Record<string, RegExp> = {
    "system.bin": /the pickle asks for (posix|nt)\.system, which is not a part of a tensor; nothing was executed/,
    "eval.bin": /asks for __builtin__\.eval, /,
    "nested.bin": /asks for __builtin__\.exec, /,
    "module.bin": /asks for torch\.nn\.modules\.linear\.Linear, /,
    "sparse.bin": /asks for torch\._utils\._rebuild_sparse_tensor, /,
    "complex.bin": /asks for torch\.ComplexFloatStorage, /,
    "trainer.bin": /"epoch" is not a tensor with a name; .* Save state_dict\(\) of the model alone/,
    "integers.bin": /tensor "a" has dtype I32; only F64, F32, F16 and BF16/,
    "expanded.bin": /shape \[3,2\] repeats the 2 values of its storage; save it again after contiguous/,
    "legacy.bin": /a pickle, as PyTorch wrote before 1\.6, .* save its state_dict\(\) again with a current PyTorch/,
    "script.bin": /a TorchScript archive, a program; load it and save its state_dict\(\)/,
    "compressed.bin": /member "archive\/data\.pkl" is compressed or encrypted; load it and save/,
  };
  const folder = join(FIXTURES, "refused");
  assert.deepEqual(readdirSync(folder).sort(), Object.keys(messages).sort());
  for (const [name, message] of Object.entries(messages)) {
    assert.throws(() => readTorchFile(join(folder, name)), message);
    assert.ok(!existsSync(marker), name);
  }
});

let written = 0;
/** Reads a checkpoint of given bytes, values included. */
function read(bytes: Uint8Array): Map<string, HostTensor> {
  const path = join(work, `made-${written++}.bin`);
  writeFileSync(path, bytes);
  return new Map([...readTorchFile(path)].map(([name, { shape, data }]) => [name, { shape, data }]));
}
const refused = (bytes: Uint8Array, message: RegExp) =>
  assert.throws(() => read(bytes), (error: Error) => error instanceof ModelError && message.test(error.message)); // prettier-ignore

const SIX = Buffer.from(Float32Array.of(1, 2, 3, 4, 5, 6).buffer);
const zipWith = (...parts: readonly Uint8Array[]) => made.zipOf(made.membersOf(made.pickleOf(...parts), { 0: SIX }));
const storage = made.storage("FloatStorage", "0", 6);
/** A checkpoint of one tensor. */
const one = (offset: number, shape: number[], strides: number[], of: Uint8Array = storage) =>
  zipWith(made.dictionary({ a: made.tensor(of, offset, shape, strides) }));

test("a tensor must lie in its storage, and a storage in the file", () => {
  assert.deepEqual([...read(one(1, [2, 2], [1, 2])).get("a")!.data], [2, 4, 3, 5]);
  assert.deepEqual([...read(one(6, [0], [1])).get("a")!.data], []);
  const outside = /a tensor of shape \[.*, offset .* and strides \[.* is not within its storage of 6 values/;
  refused(one(1, [6], [1]), outside);
  refused(one(7, [0], [1]), outside);
  refused(one(0, [2, 3], [4, 1]), outside);
  refused(one(0, [2], [2 ** 45]), outside);
  refused(one(2 ** 45, [1], [1]), outside);
  refused(one(0, [6], []), outside);
  refused(one(0, [6], [1, 1]), outside);
  refused(one(0, [2 ** 45, 2 ** 45], [0, 0]), /repeats the 6 values of its storage/);
  refused(one(0, Array<number>(64).fill(2 ** 46), Array<number>(64).fill(2 ** 46)), outside);
  for (const [offset, shape, strides] of [
    [-1, [1], [1]],
    [0, [-1], [1]],
    [5, [2], [-1]],
    [0, Array(65).fill(1), Array(65).fill(1)],
  ] as [number, number[], number[]][])
    refused(one(offset, shape, strides), /a tensor of malformed parts/);
  const of = (type: string, key: string, length: number) => one(0, [1], [1], made.storage(type, key, length));
  refused(of("FloatStorage", "0", 7), /storage "0" has 24 bytes, not 7 values of type F32/);
  refused(of("DoubleStorage", "0", 6), /storage "0" has 24 bytes, not 6 values of type F64/);
  refused(of("FloatStorage", "1", 6), /storage "1" has no member in the zip file/);
  refused(of("FloatStorage", "__proto__", 6), /storage "__proto__" has no member/);
  refused(one(0, [1], [1], made.text("0")), /a tensor of malformed parts/);
});

test("an opcode or call that tensors do not need is refused", () => {
  const dict = made.dictionary({});
  for (const [opcode, name] of [
    ["i", "INST"],
    ["o", "OBJ"],
    ["\x81", "NEWOBJ"],
    ["\x82", "EXT1"],
    ["\x83", "EXT2"],
    ["\x84", "EXT4"],
    ["\x92", "NEWOBJ_EX"],
    ["\x93", "STACK_GLOBAL"],
    ["]", "EMPTY_LIST"],
    ["G", "BINFLOAT"],
    ["P", "0x50"],
    ["0", "0x30"],
  ])
    refused(
      zipWith(dict, made.raw(`${opcode}os\nsystem\n`)),
      new RegExp(`has the opcode ${name}, .*nothing was executed`),
    );
  const state = (value: Uint8Array) => zipWith(dict, value, made.raw("b"));
  assert.equal(read(state(made.dictionary({ _metadata: dict }))).size, 0);
  refused(state(made.dictionary({ _metadata: dict, __class__: dict })), /sets the state of an object \(opcode BUILD\)/);
  refused(state(made.dictionary({ keys: dict })), /opcode BUILD/);
  refused(state(made.text("_metadata")), /opcode BUILD/);
  refused(zipWith(made.text("a"), made.dictionary({ _metadata: dict }), made.raw("b")), /opcode BUILD/);

  refused(zipWith(made.global("os", "system")), /asks for os\.system, which is not a part of a tensor/);
  refused(zipWith(made.global("collections", "OrderedDict.__init__")), /asks for collections\.OrderedDict\.__init__/);
  refused(zipWith(made.global("constructor", "constructor")), /asks for constructor\.constructor/);
  refused(zipWith(made.global("torch", "x".repeat(300))), /a name without an end, or of more than 200 bytes/);
  refused(zipWith(made.call(made.text("eval"), made.text("1"))), /calls a value with 1 arguments/);
  refused(zipWith(made.call(made.global("torch", "FloatStorage"), made.int(9))), /calls torch\.FloatStorage with 1/);
  refused(zipWith(made.call(made.global("collections", "OrderedDict"), dict)), /calls collections\.OrderedDict with 1/);
  refused(
    zipWith(made.call(made.global("torch._utils", "_rebuild_parameter"), dict)),
    /calls .*_rebuild_parameter with 1/,
  );
  const parts = [storage, made.int(0), made.tuple(made.int(6)), made.tuple(made.int(1)), made.FALSE, made.HOOKS];
  const withMetadata = (metadata: Uint8Array) =>
    zipWith(made.dictionary({ a: made.call(made.global("torch._utils", "_rebuild_tensor_v2"), ...parts, metadata) }));
  assert.equal(read(withMetadata(dict)).get("a")!.data[5], 6);
  refused(withMetadata(made.dictionary({ neg: Buffer.of(0x88) })), /calls .*_rebuild_tensor_v2 with 7 arguments/);
  refused(zipWith(made.HOOKS, made.raw("R")), /asks for a value that is not there/);
  refused(zipWith(dict, dict, made.raw("R")), /a call without a tuple/);
  refused(zipWith(made.text("os.system"), made.raw("Q")), /a storage of malformed parts/);
});

test("a damaged pickle is refused", () => {
  const raw = (text: string) => zipWith(made.raw(text));
  refused(made.zipOf(made.membersOf(made.raw("\x80\x04}."))), /does not begin with protocol 2/);
  refused(made.zipOf(made.membersOf(made.raw("}."))), /does not begin with protocol 2/);
  refused(made.zipOf(made.membersOf(made.raw("\x80\x02}.}"))), /goes on after its end/);
  refused(made.zipOf(made.membersOf(made.raw("\x80\x02}"))), /ends after 3 bytes, in the middle of a value/);
  refused(raw("X\xff\xff\xff\xffabc"), /ends after \d+ bytes, in the middle of a value/);
  refused(raw("X\x01\x00\x00\x00\xff"), /a text that is not UTF-8/);
  refused(raw("\x8a\x07\x01\x01\x01\x01\x01\x01\x01"), /a number that is too large/);
  for (const text of ["", "\x87", "s", "Q", "R", "b", "q\x00"]) refused(raw(text), /value that is not there/);
  for (const text of ["t", "}u"]) refused(raw(text), /a mark that is not there/);
  refused(raw("}h\x05"), /asks for value 5 before it is there/);
  refused(raw("N(NNu"), /sets items of what is not a dictionary/);
  refused(raw("}(Nu"), /sets items of what is not a dictionary/);
  refused(raw("N"), /holds no dictionary of tensors/);
  refused(
    zipWith(made.raw("}K\x01"), made.tensor(storage, 0, [1], [1]), made.raw("s")),
    /1 is not a tensor with a name/,
  );
  refused(raw("N".repeat(2_000_001)), /has more than 2000000 opcodes/);
});

test("a zip file that two readers could read differently is refused", () => {
  const pickle = made.pickleOf(made.dictionary({ a: made.tensor(storage, 0, [6], [1]) }));
  const members = made.membersOf(pickle, { 0: SIX });
  const data = members[2];
  const lying = (...more: Partial<made.Member>[]) => made.zipOf([...members.slice(0, 2), ...more.map((change) => ({ ...data, ...change }))]); // prettier-ignore
  for (const wideEnd of [true, false]) assert.equal(read(made.zipOf(members, { wideEnd })).get("a")!.data[5], 6);
  assert.equal(read(made.zipOf(members.map((member) => ({ ...member, isWide: true })))).get("a")!.data[5], 6);

  refused(lying({}, {}), /member "model\/data\/0" of the zip file is there twice/);
  refused(lying({ lies: { size: 400 } }), /ends within the directory/);
  refused(lying({ lies: { size: 2 ** 60 }, isWide: true }), /ends within the directory/);
  refused(lying({ lies: { size: 20 } }), /storage "0" has 20 bytes, not 6 values/);
  refused(lying({ lies: { compressed: 20, size: 24 } }), /has a damaged entry/);
  refused(lying({ lies: { offset: 1 } }), /overlaps the one before|is not at byte 1,/);
  refused(lying({ lies: { offset: 2 ** 60 }, isWide: true }), /is not at byte \d+, where the directory says/);
  refused(lying({ lies: { offset: 0 } }), /overlaps the one before|is not at byte 0,/);
  refused(lying({ localName: "model/data/1" }), /is not at byte \d+, where the directory says/);
  refused(lying({ lies: { localMethod: 8 } }), /is not at byte \d+, where the directory says/);
  refused(lying({ lies: { flags: 1 } }), /"model\/data\/0" is compressed or encrypted/);
  const within = { ...data, name: "model/data/1", bytes: Buffer.of() };
  refused(
    made.zipOf([{ ...members[0], lies: { size: pickle.length + 60 } }, members[1], data]),
    /overlaps the one before/,
  );
  assert.equal(read(made.zipOf([...members, within])).get("a")!.data[5], 6); // an empty member hurts nobody
  refused(made.zipOf(members, { count: 2 }), /does not have 2 entries/);
  refused(made.zipOf(members, { count: 4 }), /does not have 4 entries/);
  refused(made.zipOf(members, { base: 100 }), /does not end with its directory/);

  const noEnd = /does not end with its directory; the file of \d+ bytes is truncated or damaged/;
  const whole = made.zipOf(members);
  refused(Buffer.concat([whole, made.raw("x")]), noEnd);
  for (const [back, byte] of [
    [2, 1], // a comment
    [14, 1], // entries, in the record of 4 bytes
    [22 + 20 + 56 - 24, 1], // entries, in that of zip64
    [22 + 20 - 8, 1], // where that record is
  ]) {
    const changed = Buffer.from(whole);
    changed[changed.length - back] ^= byte;
    refused(changed, noEnd);
  }
  const big = Buffer.from(whole);
  big.write("bigend", big.indexOf("little"));
  refused(big, /not in little-endian order/);
  refused(made.zipOf([{ name: "data.pkl", bytes: pickle }]), /does not have a folder with data\.pkl/);
  refused(made.zipOf([...members, { name: "other/data.pkl", bytes: pickle }]), /does not have a folder with data\.pkl/);
  refused(made.raw("version https://git-lfs.github.com/spec/v1\n"), /not a zip file as torch\.save writes it/);
  refused(Buffer.of(), /not a zip file as torch\.save writes it/);
});

test("a checkpoint that is cut off is refused, wherever", () => {
  const bytes = readFileSync(join(FIXTURES, "plain", "pytorch_model.bin"));
  let cuts = 0;
  for (let length = 0; length < bytes.length; length += 97, cuts++)
    refused(bytes.subarray(0, length), /truncated or damaged|not a zip file/);
  assert.ok(cuts > 70);
});

test("a storage beyond 4 GB is found", () => {
  const path = join(work, "large.bin");
  const far = 5 * 2 ** 30;
  const pickle = made.pickleOf(made.dictionary({ a: made.tensor(storage, 1, [2, 2], [1, 3]) }));
  const [first, ...rest] = made.membersOf(pickle, { 0: SIX });
  // the data directory lists all three; the first member lies at the beginning, the others beyond a hole
  const start = made.zipOf([first]).subarray(0, 30 + first.name.length + 5 + pickle.length);
  const tail = made.zipOf([{ ...rest[0], isWide: true }, { ...rest[1], isWide: true }, ], { base: far }); // prettier-ignore
  const file = openSync(path, "w");
  try {
    ftruncateSync(file, far);
    writeSync(file, start, 0, start.length, 0);
    const entries = made.zipOf([first]);
    const lone = entries.subarray(start.length, start.length + 46 + first.name.length);
    const at = tail.indexOf(Buffer.from([0x50, 0x4b, 1, 2]));
    const directory = Buffer.concat([lone, tail.subarray(at, tail.length - 98)]);
    writeSync(file, tail, 0, at, far);
    writeSync(file, Buffer.concat([directory, made.endOf(3, directory.length, far + at, true)]), 0, null, far + at);
  } finally {
    closeSync(file);
  }
  try {
    assert.deepEqual([...readTorchFile(path).get("a")!.data], [2, 5, 3, 6]);
  } finally {
    rmSync(path);
  }
});
