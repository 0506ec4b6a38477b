// Jupyter's five sockets and the messages on them.
// https://jupyter-client.readthedocs.io/en/stable/messaging.html
const { readFileSync } = require("node:fs");
const { setTimeout: delay } = require("node:timers/promises");
const zmq = require("zeromq");
const { version: typescriptVersion } = require("@tslab/typescript-for-tslab/package.json");
const { Output } = require("./output.cjs");
const { readMessage, writeMessage } = require("./wire.cjs");

/** After an error, the cells that arrive within this time (ms) belong to the same "Run All" and are not run. */
const ABORT_WINDOW = 100;

class Server {
  #executor;
  #output = new Output((type, content) => this.#publish(type, content, this.#current));
  #current = null; // the request of the cell that runs, or ran last
  #queue = [];
  #working = false;
  #count = 0;
  #key = "";
  #iopub = new zmq.Publisher();
  #shell = new zmq.Router();
  #control = new zmq.Router();
  #stdin = new zmq.Router();
  #heartbeat = new zmq.Reply();

  constructor(executor) {
    this.#executor = executor;
    // Without these, zeromq refuses more than 512 messages in one turn of the event loop, and drops above 1000.
    for (const socket of [this.#iopub, this.#shell, this.#control]) {
      socket.sendHighWaterMark = 0;
      socket.sendTimeout = 0;
    }
  }

  async start(connectionFile) {
    const connection = JSON.parse(readFileSync(connectionFile, "utf8"));
    this.#key = connection.key;
    const bind = (socket, port) =>
      socket.bind(`${connection.transport}://${connection.ip}${connection.transport === "ipc" ? "-" : ":"}${port}`);
    await Promise.all([
      bind(this.#iopub, connection.iopub_port),
      bind(this.#shell, connection.shell_port),
      bind(this.#control, connection.control_port),
      bind(this.#stdin, connection.stdin_port),
      bind(this.#heartbeat, connection.hb_port),
    ]);
    this.#publish("status", { execution_state: "starting" }, null);
    this.#offerToLibrary();
    this.#endWithParent();
    process.on("SIGINT", () => this.#executor.interrupt());
    void this.#echo();
    void this.#receive(this.#control);
    void this.#receive(this.#shell);
  }

  async #echo() {
    for await (const frames of this.#heartbeat) await this.#heartbeat.send(frames);
  }

  async #receive(socket) {
    for await (const frames of socket) {
      let request;
      try {
        request = { ...readMessage(frames, this.#key), socket };
      } catch (error) {
        process.stderr.write(`The kernel ignores ${error.message}.\n`);
        continue;
      }
      if (request.header.msg_type === "execute_request") {
        this.#queue.push(request);
        void this.#work();
      } else {
        void this.#answer(request);
      }
    }
  }

  /** Runs the queued cells, one after the other. */
  async #work() {
    if (this.#working) return;
    this.#working = true;
    while (this.#queue.length > 0) {
      const request = this.#queue.shift();
      const { silent = false, stop_on_error: stopOnError = true } = request.content;
      const failed = await this.#executeCell(request, silent);
      if (failed && stopOnError) {
        await delay(ABORT_WINDOW);
        failed();
        for (const aborted of this.#queue.splice(0)) {
          this.#status("busy", aborted);
          this.#reply(aborted, "execute_reply", { status: "aborted" }); // a count would be shown beside the cell
          this.#status("idle", aborted);
        }
      } else {
        failed?.();
      }
    }
    this.#working = false;
  }

  /** Runs a cell and reports it. If it fails, its reply is left to the caller: answers the function that sends it. */
  async #executeCell(request, silent) {
    const { code } = request.content;
    this.#output.begin();
    this.#current = request;
    this.#output.capture();
    this.#status("busy", request);
    if (!silent) {
      this.#count += 1;
      this.#output.publish("execute_input", { code, execution_count: this.#count });
    }
    const count = this.#count;
    const { result, error } = await this.#executor.execute(code, count);
    if (result !== undefined && !silent) {
      this.#output.publishForms("execute_result", {
        execution_count: count,
        data: { "text/plain": result },
        metadata: {},
      });
    }
    if (error) this.#output.publish("error", error);
    this.#output.flush();
    const finish = () => {
      this.#reply(
        request,
        "execute_reply",
        error
          ? { status: "error", execution_count: count, ...error, user_expressions: {}, payload: [] }
          : { status: "ok", execution_count: count, user_expressions: {}, payload: [] },
      );
      this.#status("idle", request);
    };
    if (error) return finish;
    finish();
    return null;
  }

  async #answer(request) {
    const type = request.header.msg_type;
    this.#status("busy", request);
    try {
      const content = await this.#answers[type]?.(request.content);
      if (content) this.#reply(request, type.replace("_request", "_reply"), { status: "ok", ...content });
    } catch (error) {
      // Looking up code while it is being typed must never take the kernel down.
      this.#reply(request, type.replace("_request", "_reply"), {
        status: "error",
        ename: error.name,
        evalue: error.message,
        traceback: [],
      });
    }
    this.#status("idle", request);
    if (type === "shutdown_request") setTimeout(() => process.exit(0), 20); // the reply leaves first
  }

  #answers = {
    kernel_info_request: () => ({
      protocol_version: "5.3",
      implementation: "promptloss",
      implementation_version: require("../package.json").version,
      banner: `TypeScript ${typescriptVersion} on Node ${process.versions.node}`,
      language_info: {
        name: "typescript",
        version: typescriptVersion,
        mimetype: "application/typescript",
        file_extension: ".ts",
        codemirror_mode: "typescript",
        pygments_lexer: "typescript",
        nbconvert_exporter: "script",
      },
      help_links: [],
    }),
    interrupt_request: () => {
      this.#executor.interrupt();
      return {};
    },
    shutdown_request: ({ restart }) => ({ restart }),
    is_complete_request: async ({ code }) => {
      const { completed, indent } = await this.#executor.isComplete(code);
      return completed ? { status: "complete" } : { status: "incomplete", indent };
    },
    inspect_request: async ({ code, cursor_pos: position }) => {
      const text = await this.#executor.inspect(code, position);
      return text
        ? { found: true, data: { "text/plain": text }, metadata: {} }
        : { found: false, data: {}, metadata: {} };
    },
    complete_request: async ({ code, cursor_pos: position }) => {
      const { start, end, candidates } = await this.#executor.complete(code, position);
      return { matches: candidates, cursor_start: start, cursor_end: end, metadata: {} };
    },
    comm_info_request: () => ({ comms: {} }),
    history_request: () => ({ history: [] }),
  };

  #status(state, request) {
    this.#publish("status", { execution_state: state }, request);
  }

  #publish(type, content, request) {
    void this.#iopub.send(writeMessage(type, content, request, this.#key, [Buffer.from(type)]));
  }

  #reply(request, type, content) {
    void request.socket.send(writeMessage(type, content, request, this.#key, request.identities));
  }

  /** What lib/notebook finds when it runs inside this kernel, and tslab's own `display` (modules.cjs). */
  #offerToLibrary() {
    const display = (content, update) =>
      this.#output.publishForms(update ? "update_display_data" : "display_data", content);
    const executor = this.#executor;
    globalThis[Symbol.for("promptloss.kernel")] = {
      display,
      get signal() {
        return executor.signal;
      },
    };
  }

  /** A kernel whose Jupyter was killed would live on for ever. */
  #endWithParent() {
    const parent = process.ppid;
    setInterval(() => {
      if (process.ppid !== parent) process.exit(0);
    }, 2000).unref();
  }
}

module.exports = { Server };
