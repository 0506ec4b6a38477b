// The process of the compiler, apart from the kernel's: cells are checked while the kernel loads what they import, and
// code is completed while they run.
//   node compiler-process.cjs                                                   starts it
//   node --snapshot-blob FILE --build-snapshot compiler-process.cjs             saves its memory with all types loaded
//   node --snapshot-blob FILE                                                   starts it from there, in 0.2 s
// Node must be started in the repository root.
const { readFileSync } = require("node:fs");
const { createRequire, isBuiltin } = require("node:module");
const { dirname, join } = require("node:path");
const { startupSnapshot } = require("node:v8");
const { runInThisContext } = require("node:vm");

const root = process.cwd();
const nodeRequire = require;
const modules = {};

/** Loads a CommonJS module. Node's own loader does not work while a snapshot is built. */
function load(file) {
  if (modules[file]) return modules[file].exports;
  const module = (modules[file] = { exports: {} });
  const { resolve } = createRequire(file);
  const require = (name) => (isBuiltin(name) ? nodeRequire(name) : load(resolve(name)));
  Object.assign(require, { resolve, cache: modules });
  const parameters = "exports, require, module, __filename, __dirname";
  const run = runInThisContext(`(function (${parameters}) {${readFileSync(file, "utf8")}\n})`, { filename: file });
  run(module.exports, require, module, file, dirname(file));
  return module.exports;
}

/** Answers the kernel's requests until it ends. */
function serve() {
  process.on("SIGINT", () => {}); // for the kernel
  process.on("disconnect", () => process.exit(0));
  process.on("message", ({ id, method, parameters }) => {
    try {
      process.send({ id, result: compiler[method](...parameters) });
    } catch ({ name, message, stack }) {
      process.send({ id, error: { name, message, stack } });
    }
  });
  process.send({ changes: compiler.changes() });
}

const { Compiler } = load(join(root, "kernel", "compiler.cjs"));
const compiler = new Compiler(root);
const warmUp = 'import { train } from "./lib/index";\nconst used = train;\nused';
const { declOutput } = compiler.compile("", warmUp);
if (startupSnapshot.isBuildingSnapshot()) {
  // Code that ran is compiled in the snapshot. Completion cannot run: Intl objects, which sort the names, cannot be
  // saved.
  compiler.compile(declOutput, "const wrong: string = used;");
  compiler.isComplete("if (used) {");
  startupSnapshot.setDeserializeMainFunction(serve);
} else {
  serve();
}
