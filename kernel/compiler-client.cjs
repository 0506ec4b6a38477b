// The kernel's side of the compiler's process, see compiler-process.cjs.
const { existsSync, rmSync } = require("node:fs");
const { SourceMap } = require("node:module");
const { join } = require("node:path");
const { makeSnapshot, snapshotFile, startNode } = require("./snapshot.cjs");

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

  /** true while what the compiler starts from is made */
  preparing = false;

  constructor(root) {
    this.#root = root;
    void this.#start();
  }

  /** Compiles a cell. `declarations` are those of the cells before it. Returns tslab's result, with
   *  `position(line, column)` (both 1-based) from compiled to written code. */
  async compile(declarations, code) {
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
  }

  async #start() {
    const file = this.#damaged < 2 ? snapshotFile(this.#root) : null;
    let snapshot = file !== null && existsSync(file);
    if (file !== null && !snapshot) {
      this.preparing = true;
      snapshot = await makeSnapshot(this.#root, file);
      this.preparing = false;
    }
    const parameters = snapshot ? ["--snapshot-blob", file] : [join(__dirname, "compiler-process.cjs")];
    const child = startNode(this.#root, parameters, "inherit", "ipc");
    this.#process = child;
    child.on("message", (message) => {
      if (message.id === undefined) this.#refresh(snapshot ? file : null, message.changes);
      else this.#receive(message);
    });
    child.once("exit", (status, signal) => {
      if (child !== this.#process) return;
      this.#process = null;
      if (snapshot) {
        this.#damaged += 1;
        rmSync(file, { force: true });
      } else {
        for (const { reject } of this.#requests.values())
          reject(new Error(`The compiler ended (${signal ?? status}).`));
        this.#requests.clear();
      }
      void this.#start();
    });
    for (const id of this.#requests.keys()) this.#send(id);
  }

  #restart() {
    const child = this.#process;
    this.#process = null;
    child?.kill();
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
    void makeSnapshot(this.#root, file, { inBackground: true });
  }
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
