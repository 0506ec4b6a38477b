// Runs cells, one at a time, in this process.
const { setImmediate: immediate } = require("node:timers/promises");
const vm = require("node:vm");
const { CompilerClient } = require("./compiler-client.cjs");
const { Interrupted, cellName, compileError, isA, messageOf, part, thrownError } = require("./errors.cjs");
const { requireForCells } = require("./modules.cjs");
const { showResult } = require("./results.cjs");

/** How long (ms) an interrupted cell may take to end by itself: finish a step, save, throw. */
const GRACE = 5000;

class Executor {
  #root;
  #compiler;
  #require;
  #variables = {}; // what cells declared, by name
  #declarations = ""; // their types, as a .d.ts
  #cells = new Map(); // count -> { code, position }
  #running = null;
  #stray = []; // errors that came while no cell was running
  #controller = new AbortController();

  constructor(root) {
    this.#root = root;
    this.#compiler = new CompilerClient(root);
    this.#require = requireForCells(root);
    process.on("uncaughtException", (error) => this.#onStray(error));
    process.on("unhandledRejection", (reason) => this.#onStray(reason));
  }

  /** Aborted when ■ is pressed while the current cell runs. */
  get signal() {
    return this.#controller.signal;
  }

  /** Runs a cell. Never rejects.
   *  @returns {status: "ok", result?: text of the last expression, unless the library shows it} or {status: "error",
   *   error: {ename, evalue, traceback}} */
  async execute(code, count) {
    this.#controller = new AbortController();
    this.#running = { interrupted: false, ...withResolvers() };
    try {
      if (this.#stray.length > 0) return this.#leftOver();
      const result = await this.#run(code, count);
      await immediate(); // an unhandled rejection is reported one turn later
      if (this.#running.failed) throw this.#running.failed.error;
      if (this.#running.interrupted) return { status: "error", error: interruptedError("") };
      return { status: "ok", result };
    } catch (error) {
      if (this.#running.interrupted)
        return { status: "error", error: interruptedError(this.#running.abandoned ? ABANDONED : reasonOf(error)) };
      return { status: "error", error: this.#describe(error) };
    } finally {
      this.#running = null;
    }
  }

  /** ■: asks the running cell to stop; a second one, or GRACE, ends the wait for it. */
  interrupt() {
    const cell = this.#running;
    if (!cell) return;
    const again = cell.interrupted;
    cell.interrupted = true;
    const reason = new Interrupted("The cell was interrupted.");
    this.#controller.abort(reason);
    const abandon = () => {
      cell.abandoned = true;
      cell.reject(reason);
    };
    if (again) abandon();
    else setTimeout(abandon, GRACE).unref();
  }

  inspect(code, position) {
    return this.#compiler.inspect(this.#declarations, code, position);
  }

  complete(code, position) {
    return this.#compiler.complete(this.#declarations, code, position);
  }

  isComplete(code) {
    return this.#compiler.isComplete(code);
  }

  async #run(code, count) {
    const compiling = this.#compiler.compile(this.#declarations, code);
    this.#require.ahead(code); // while the compiler's process is at work
    const compiled = await Promise.race([compiling, this.#running.promise]);
    this.signal.throwIfAborted();
    this.#cells.set(count, { code, position: compiled.position });
    if (compiled.diagnostics.length > 0) throw new CompileError(compileError(compiled.diagnostics, code, count));
    if (compiled.output) {
      // Imported names are plain variables, which later cells may replace; a getter could not be.
      const body = compiled.output.replaceAll(/^Object\.defineProperty\(exports, /gm, "__define(exports, ");
      const run = vm.runInThisContext(`(async function (exports, require, __define) {\n${body}\n})`, {
        filename: cellName(count),
        lineOffset: -1,
      });
      try {
        await Promise.race([run(this.#variables, this.#require, define), this.#running.promise]);
      } finally {
        restorePrototype();
      }
    }
    this.#declarations = compiled.declOutput ?? "";
    const last = compiled.lastExpressionVar;
    if (!last) return undefined;
    const value = this.#variables[last];
    delete this.#variables[last];
    return Promise.race([showResult(value), this.#running.promise]);
  }

  /** An error that nothing caught: fails the running cell at once, or else the next one. */
  #onStray(error) {
    if (isA(error, Interrupted) || (part(error, "name") === "AbortError" && this.signal.aborted)) return;
    const cell = this.#running;
    if (cell) {
      cell.failed ??= { error };
      this.#controller.abort(error);
      cell.reject(error);
      return;
    }
    this.#stray.push(error);
    const lines = this.#describe(error).traceback;
    process.stderr.write(`Nothing caught this error; the next cell will fail with it:\n${lines.join("\n")}\n`);
  }

  #leftOver() {
    const [error, ...others] = this.#stray.splice(0).map((stray) => this.#describe(stray));
    error.traceback.unshift(
      "Code that an earlier cell left running failed. This cell was not run; run it again to go on.",
      "",
    );
    for (const other of others) error.traceback.push("", ...other.traceback);
    return { status: "error", error };
  }

  #describe(thrown) {
    if (isA(thrown, CompileError)) return thrown.content;
    return thrownError(thrown, this.#cells, this.#root);
  }
}

const ABANDONED = "What it started may still be running: it does not watch interruptSignal().";

class CompileError extends Error {
  constructor(content) {
    super(content.evalue);
    this.content = content;
  }
}

function interruptedError(detail) {
  const evalue = `The cell was interrupted.${detail ? ` ${detail}` : ""}`;
  return { ename: "Interrupted", evalue, traceback: [`Interrupted: ${evalue}`] };
}

/** What the code that was stopped says about it, such as where it will continue. */
function reasonOf(error) {
  return isA(error, Interrupted) || part(error, "name") === "AbortError" ? "" : messageOf(error);
}

/** A property's descriptor that inherits nothing from what a cell added to the prototype of all objects. */
const bare = (descriptor) => Object.assign(Object.create(null), descriptor);

const describeProperty = (name) => bare(Object.getOwnPropertyDescriptor(Object.prototype, name));

const PROTOTYPE = new Map(Reflect.ownKeys(Object.prototype).map((name) => [name, describeProperty(name)]));

/** Takes back what a cell changed in the prototype of all objects, those of the kernel included. */
function restorePrototype() {
  const names = new Set([...Reflect.ownKeys(Object.prototype), ...PROTOTYPE.keys()]);
  const changed = [...names].filter((name) => {
    const [now, before] = [describeProperty(name), PROTOTYPE.get(name) ?? bare()];
    return now.value !== before.value || now.get !== before.get || now.set !== before.set;
  });
  if (changed.length === 0) return;
  for (const name of changed) delete Object.prototype[name];
  for (const name of changed)
    if (PROTOTYPE.has(name)) Object.defineProperty(Object.prototype, name, PROTOTYPE.get(name));
  const list = changed.map(String).join(", ");
  process.stderr.write(`Changes to Object.prototype end with the cell, since they break the kernel: ${list}\n`);
}

function define(variables, name, { get, value }) {
  if (name !== "__esModule") variables[name] = get ? get() : value;
}

function withResolvers() {
  let reject;
  const promise = new Promise((_, no) => {
    reject = no;
  });
  promise.catch(() => {}); // handled where the cell waits, if it still does
  return { promise, reject };
}

module.exports = { Executor };
