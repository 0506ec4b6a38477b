// What cells print and display. Text is gathered and sent at most every 50 ms: a message a line drowns the front end.
const { StringDecoder } = require("node:string_decoder");

const INTERVAL = 50; // ms

class Output {
  #publish;
  #name = "";
  #text = "";
  #sent = 0;
  #timer = null;
  #captured = false;

  /** @param publish (type, content) => void: sends to the cell that runs, or ran last */
  constructor(publish) {
    this.#publish = publish;
  }

  /** From now on everything written to standard output and error belongs to cells. */
  capture() {
    if (this.#captured) return;
    this.#captured = true;
    for (const name of ["stdout", "stderr"]) {
      const decoder = new StringDecoder("utf8");
      const stream = process[name];
      stream.write = (chunk, encoding, callback) => {
        if (typeof encoding === "function") callback = encoding;
        const text =
          typeof chunk === "string" && (encoding === "hex" || encoding === "base64")
            ? Buffer.from(chunk, encoding)
            : chunk;
        this.write(name, typeof text === "string" ? text : decoder.write(Buffer.from(text)));
        if (callback) process.nextTick(callback);
        return true;
      };
      // Without this, the terminal that JupyterLab was started from decides whether console.log writes colors.
      Object.defineProperty(stream, "isTTY", { value: false });
    }
  }

  write(name, text) {
    if (text === "") return;
    if (name !== this.#name) this.flush();
    this.#name = name;
    this.#text += text;
    // Sent at once when it is time, not by the timer alone: a synchronous loop never lets a timer run.
    if (Date.now() - this.#sent >= INTERVAL) this.flush();
    else this.#timer ??= setTimeout(() => this.flush(), INTERVAL);
  }

  flush() {
    clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#text === "") return;
    const content = { name: this.#name, text: this.#text };
    this.#text = "";
    this.#sent = Date.now();
    this.#publish("stream", content);
  }

  /** Any other output: comes after all text written before it. */
  publish(type, content) {
    this.flush();
    this.#publish(type, content);
  }
}

module.exports = { Output };
