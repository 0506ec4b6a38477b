// The kernel's side of the compiler's process, see compiler-process.cjs.
const { existsSync } = require("node:fs");
const { SourceMap } = require("node:module");
const { join } = require("node:path");
const { makeSnapshot, removeSnapshot, snapshotFile, startNode } = require("./snapshot.cjs");

const CANNOT_FIND_MODULE = 2307;

/** Number of edited library files above which a new snapshot is made, for the next start. */
const EDITED = 20;

class CompilerClient {
  #root;
  #process = null;
  #requests = new Map(); // id -> { method, parameters, resolve, reject }: those without an answer
  #id = 0;
  #damaged = 0; // snapshots that did not work
  #refreshed = false;
  #starting = false;
  #making = false; // the snapshot

  constructor(root) {
    this.#root = root;
    void this.#start();
  }

  /** Compiles a cell. `declarations` are those of the cells before it. Returns tslab's result, with
   *  `position(line, column)` (both 1-based) from compiled to written code. */
  async compile(declarations, code) {
    if (this.#making) announce();
    const { maps, ...result } = await this.#ask("compile", declarations, code);
    const sourceMaps = maps.map((map) => new SourceMap(map));
    // A name that was looked for and not found is remembered as such; the file may exist the next time.
    if (result.diagnostics.some(({ code: number }) => number === CANNOT_FIND_MODULE)) this.#restart();
    return { ...result, position: (line, column) => originalPosition(sourceMaps, line, column) };
  }

  /** Text about the symbol at `position`, or null. */
  inspect(declarations, code, position) {
    return this.#ask("inspect", declarations, code, position);
  }

  complete(declarations, code, position) {
    return this.#ask("complete", declarations, code, position);
  }

  isComplete(code) {
    return this.#ask("isComplete", code);
  }

  #ask(method, ...parameters) {
    return new Promise((resolve, reject) => {
      const id = ++this.#id;
      this.#requests.set(id, { method, parameters, resolve, reject });
      this.#send(id);
    });
  }

  #send(id) {
    const { method, parameters } = this.#requests.get(id);
    if (this.#process?.connected) this.#process.send({ id, method, parameters });
    else if (!this.#process && !this.#starting) void this.#start();
  }

  async #start() {
    this.#starting = true;
    const file = this.#damaged < 2 ? await this.#snapshot() : null;
    const parameters = file ? ["--snapshot-blob", file] : [join(__dirname, "compiler-process.cjs")];
    const child = startNode(this.#root, parameters, "inherit", "ipc");
    this.#process = child;
    this.#starting = false;
    child.on("message", (message) => {
      if (message.id === undefined) this.#refresh(file, message.changes);
      else this.#receive(message);
    });
    const ended = (cause) => {
      if (child === this.#process) this.#replace(file, cause);
    };
    child.on("exit", (status, signal) => ended(signal ?? status));
    child.on("error", ({ message }) => ended(message));
    for (const id of this.#requests.keys()) this.#send(id);
  }

  /** The snapshot to start from, which is made if there is none; null if it cannot be made. */
  async #snapshot() {
    try {
      const file = snapshotFile(this.#root);
      if (existsSync(file)) return file;
      this.#making = true;
      if ([...this.#requests.values()].some(({ method }) => method === "compile")) announce();
      return (await makeSnapshot(this.#root, file)) ? file : null;
    } catch {
      return null; // a folder that cannot be written, for example
    } finally {
      this.#making = false;
    }
  }

  /** Starts the process again after it ended by itself. If it came from a snapshot, the file may be damaged: requests
   *  without an answer are sent again. */
  #replace(file, cause) {
    this.#process = null;
    if (file) {
      this.#damaged += 1;
      removeSnapshot(file);
      void this.#start();
      return;
    }
    for (const { reject } of this.#requests.values()) reject(new Error(`The compiler ended (${cause}).`));
    this.#requests.clear();
  }

  #restart() {
    if (!this.#process) return;
    const child = this.#process;
    this.#process = null;
    child.kill();
    void this.#start();
  }

  #receive({ id, result, error }) {
    const request = this.#requests.get(id);
    this.#requests.delete(id);
    if (error) request?.reject(Object.assign(new Error(error.message), error));
    else request?.resolve(result);
  }

  /** Many edited files make each start slower. */
  #refresh(file, changes) {
    if (file === null || changes <= EDITED || this.#refreshed) return;
    this.#refreshed = true;
    makeSnapshot(this.#root, file, { inBackground: true }).catch(() => {}); // the old one remains
  }
}

/** Tells the user why the running cell waits. */
function announce() {
  console.log("Compiling the library (first time after a change), about 10 s …");
}

function originalPosition(sourceMaps, line, column) {
  let position = { originalLine: line - 1, originalColumn: column - 1 };
  for (const map of sourceMaps) {
    position = map.findEntry(position.originalLine, position.originalColumn);
    if (position.originalLine === undefined) return null;
  }
  // tslab puts a line before the cell.
  if (sourceMaps.length === 0 || position.originalLine === 0) return null;
  return { line: position.originalLine, column: position.originalColumn + 1 };
}

module.exports = { CompilerClient };
