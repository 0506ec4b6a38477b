// Type-checks and compiles cells with tslab's converter. What is changed in it, all through the TypeScript it is given:
// - the compiler options are the project's (strict, packages' "exports" maps);
// - library files are read for their types only: tslab would check and compile them all again for every cell
//   (`npm run check` checks them, tsx compiles them);
// - names from earlier cells work in `{ name }` too;
// - files are looked at before each cell instead of being watched: packages' files, thousands of them, never change;
// - source maps, so that errors can point into the cell.
const { readdirSync, statSync } = require("node:fs");
const { SourceMap } = require("node:module");
const { join } = require("node:path");

const typescriptPath = require.resolve("@tslab/typescript-for-tslab");
const original = require(typescriptPath);
const ts = { ...original };
require.cache[typescriptPath].exports = ts;

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

ts.createWatchCompilerHost = (files, options, ...rest) => original.createWatchCompilerHost(files, {
  ...options,
  strict: true,
  moduleResolution: original.ModuleResolutionKind.Bundler,
  types: ["node"],
  allowJs: false,
  checkJs: false,
  inlineSourceMap: true,
}, ...rest);

ts.createWatchProgram = (host) => {
  const { afterProgramCreate } = host;
  host.afterProgramCreate = (builder) => afterProgramCreate(Object.assign(Object.create(builder), {
    getAllDependencies: (file) => [file.fileName],
    getProgram: () => programSeeingShorthands(builder.getProgram()),
  }));
  return original.createWatchProgram(host);
};

// tslab turns a name from an earlier cell into `exports.name`, but not in `{ name }`: the checker says "property" there,
// and a shorthand cannot hold the longer expression.
function programSeeingShorthands(program) {
  const checker = program.getTypeChecker();
  const seeing = Object.assign(Object.create(checker), {
    getSymbolAtLocation: (node) => (node.parent && ts.isShorthandPropertyAssignment(node.parent) && node.parent.name === node
      ? checker.getShorthandAssignmentValueSymbol(node.parent) : checker.getSymbolAtLocation(node)),
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
    ...options, compilerOptions: { ...options.compilerOptions, sourceMap: true },
  });
  maps = [JSON.parse(sourceMapText), JSON.parse(Buffer.from(first[1], "base64").toString())].map((map) => new SourceMap(map));
  return { ...rest, outputText: outputText.replace(/\n\/\/# sourceMappingURL=\S+\s*$/, "\n") };
};

const tslab = require("tslab/dist/converter.js"); // after the changes above: it copies what it needs

const CANNOT_FIND_MODULE = 2307;

class Compiler {
  #root;
  #converter = null;
  #names = "";

  constructor(root) {
    this.#root = root;
  }

  /** Compiles a cell. `declarations` are those of the cells before it.
   *  Answers tslab's result, with `position(line, column)` (both 1-based) from compiled to written code. */
  compile(declarations, code) {
    maps = [];
    const result = this.#fresh().convert(declarations, code);
    if (result.diagnostics.some(({ code: number }) => number === CANNOT_FIND_MODULE)) this.#discard();
    const ofCell = maps;
    return { ...result, position: (line, column) => originalPosition(ofCell, line, column) };
  }

  inspect(declarations, code, position) {
    return this.#fresh().inspect(declarations, code, position);
  }

  complete(declarations, code, position) {
    return this.#fresh().complete(declarations, code, position);
  }

  /** The converter, told of every file that changed since it was used. */
  #fresh() {
    // A name that was looked for and not found is remembered as such; a new file therefore asks for a new converter.
    const names = libraryFiles(join(this.#root, "lib"));
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

function originalPosition(chain, line, column) {
  let position = { originalLine: line - 1, originalColumn: column - 1 };
  for (const map of chain) {
    position = map.findEntry(position.originalLine, position.originalColumn);
    if (position.originalLine === undefined) return null;
  }
  // tslab puts a line before the cell.
  return chain.length === 0 || position.originalLine === 0 ? null : { line: position.originalLine, column: position.originalColumn + 1 };
}

function libraryFiles(folder) {
  return readdirSync(folder, { recursive: true }).filter((name) => name.endsWith(".ts")).sort().join("\n");
}

function modificationTime(path) {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? null;
}

module.exports = { Compiler, typescriptVersion: ts.version };
