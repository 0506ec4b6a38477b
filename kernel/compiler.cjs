// Type-checks and compiles cells with tslab's converter. What is changed in it, all through the TypeScript it is given:
// - the compiler options are the project's (strict, packages' "exports" maps);
// - library files are read for their types only: tslab would check and compile them all again for every cell
//   (`npm run check` checks them, tsx compiles them);
// - names from earlier cells work in `{ name }` too;
// - files are looked at before each cell instead of being watched: packages' files, thousands of them, never change;
// - what a cell exports is declared as without `export`;
// - source maps, so that errors can point into the cell;
// - the library belongs to every program, so that its types stay loaded between cells that do not import it.
// Runs in a process of its own, see compiler-process.cjs.
const { join } = require("node:path");
const { withoutExports } = require("./exports.cjs");
const { libraryFiles, modificationTime } = require("./files.cjs");

const typescriptPath = require.resolve("@tslab/typescript-for-tslab");
const original = require(typescriptPath);
const ts = { ...original };
require.cache[typescriptPath].exports = ts;

const LIBRARY = join(process.cwd(), "lib", "index.ts");
const watched = new Map(); // path -> { callback, modified }
let maps = []; // of the cell last compiled, innermost first

ts.sys.watchFile = (path, callback) => {
  if (!path.includes("/node_modules/")) watched.set(path, { callback, modified: modificationTime(path) });
  return { close: () => watched.delete(path) };
};
ts.sys.watchDirectory = () => ({ close() {} });

// Two megabytes of types that only the inside of the figures' export uses: read for every notebook, needed by none.
const { fileExists } = ts.sys;
ts.sys.fileExists = (path) => !path.includes("/node_modules/playwright-core/") && fileExists(path);

ts.createWatchCompilerHost = (files, options, system, _createProgram, ...reporters) =>
  original.createWatchCompilerHost(
    [...files, LIBRARY],
    {
      ...options,
      strict: true,
      moduleResolution: original.ModuleResolutionKind.Bundler,
      types: ["node"],
      allowJs: false,
      checkJs: false,
      inlineSourceMap: true,
    },
    system,
    original.createAbstractBuilder, // without the graph of references between files: it takes half the time of a cell
    ...reporters,
  );

ts.createWatchProgram = (host) => {
  const { afterProgramCreate } = host;
  host.afterProgramCreate = (builder) => {
    builder.getProgram().getTypeChecker(); // tslab reads the names that a cell declares from the checker's tables
    afterProgramCreate(
      Object.assign(Object.create(builder), {
        getAllDependencies: (file) => [file.fileName],
        getProgram: () => programSeeingShorthands(builder.getProgram()),
      }),
    );
  };
  return original.createWatchProgram(host);
};

// tslab turns a name from an earlier cell into `exports.name`, but not in `{ name }`: the checker says "property"
// there, and a shorthand cannot hold the longer expression.
function programSeeingShorthands(program) {
  const checker = program.getTypeChecker();
  const seeing = Object.assign(Object.create(checker), {
    getSymbolAtLocation: (node) =>
      node.parent && ts.isShorthandPropertyAssignment(node.parent) && node.parent.name === node
        ? checker.getShorthandAssignmentValueSymbol(node.parent)
        : checker.getSymbolAtLocation(node),
  });
  return Object.assign(Object.create(program), { getTypeChecker: () => seeing });
}

ts.visitEachChild = (node, visitor, context, ...rest) => {
  if (node && ts.isShorthandPropertyAssignment(node)) {
    const value = visitor(node.name);
    if (value !== node.name) return ts.factory.createPropertyAssignment(node.name, value);
  }
  return original.visitEachChild(node, visitor, context, ...rest);
};

// tslab's second stage: from the ES module that the first one emitted to CommonJS.
ts.transpileModule = (source, options) => {
  const first = source.match(/\n\/\/# sourceMappingURL=data:application\/json;base64,(\S+)\s*$/);
  if (!first) return original.transpileModule(source, options);
  const { outputText, sourceMapText, ...rest } = original.transpileModule(source.slice(0, first.index), {
    ...options,
    compilerOptions: { ...options.compilerOptions, sourceMap: true },
  });
  maps = [JSON.parse(sourceMapText), JSON.parse(Buffer.from(first[1], "base64").toString())];
  return { ...rest, outputText: outputText.replace(/\n\/\/# sourceMappingURL=\S+\s*$/, "\n") };
};

const tslab = require("tslab/dist/converter.js"); // after the changes above: it copies what it needs
const { printQuickInfo } = require("tslab/dist/inspect.js");

class Compiler {
  #root;
  #converter = null;
  #names = "";

  constructor(root) {
    this.#root = root;
  }

  /** Compiles a cell. `declarations` are those of the cells before it. Returns tslab's result with the source maps from
   *  compiled to written code. */
  compile(declarations, code) {
    maps = [];
    return { ...this.#fresh().convert(declarations, withoutExports(original, code)), maps };
  }

  /** Text about the symbol at `position`, or null. */
  inspect(declarations, code, position) {
    const info = this.#fresh().inspect(declarations, withoutExports(original, code), position);
    return info ? printQuickInfo(info) : null;
  }

  complete(declarations, code, position) {
    const { start, end, candidates } = this.#fresh().complete(declarations, withoutExports(original, code), position);
    return { start, end, candidates };
  }

  isComplete(code) {
    return tslab.isCompleteCode(code);
  }

  /** Number of files that changed since they were read. */
  changes() {
    return [...watched].filter(([path, { modified }]) => modificationTime(path) !== modified).length;
  }

  /** The converter, told of every file that changed since it was used. */
  #fresh() {
    // A name that was looked for and not found is remembered as such; a new file therefore asks for a new converter.
    const names = libraryFiles(this.#root);
    if (names !== this.#names) this.#discard();
    this.#names = names;
    for (const [path, entry] of watched) {
      const modified = modificationTime(path);
      if (modified === entry.modified) continue;
      entry.modified = modified;
      entry.callback(path, modified === null ? ts.FileWatcherEventKind.Deleted : ts.FileWatcherEventKind.Changed);
    }
    this.#converter ??= tslab.createConverter({});
    return this.#converter;
  }

  #discard() {
    this.#converter?.close();
    this.#converter = null;
    watched.clear();
  }
}

module.exports = { Compiler };
