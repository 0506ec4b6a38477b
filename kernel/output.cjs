// What cells print and display. Text is gathered and sent at most every 50 ms: a message a line drowns the front end.
const { StringDecoder } = require("node:string_decoder");
const { LONGEST_TEXT, count, limited, limitedForms } = require("./text.cjs");

const INTERVAL = 50; // ms
/** Number of characters that a cell may print in all. */
const PRINTED = 10 * LONGEST_TEXT;

class Output {
  #publish;
  #name = "";
  #text = "";
  #sent = 0;
  #left = PRINTED;
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
        const isEncoded = typeof chunk === "string" && (encoding === "hex" || encoding === "base64");
        const data = isEncoded ? Buffer.from(chunk, encoding) : chunk;
        this.write(name, typeof data === "string" ? data : decoder.write(data));
        if (callback) process.nextTick(callback);
        return true;
      };
      // Without this, the terminal that JupyterLab was started from decides whether console.log writes colors.
      Object.defineProperty(stream, "isTTY", { value: false });
    }
  }

  /** A new cell prints. */
  begin() {
    this.flush();
    this.#left = PRINTED;
  }

  write(name, text) {
    if (text === "" || this.#left <= 0) return;
    if (text.length > LONGEST_TEXT) text = `${limited(text)}\n`;
    this.#left -= text.length;
    if (this.#left <= 0) text += `… cut: a cell prints at most ${count(PRINTED)} characters\n`;
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

  /** An output in several forms, by MIME type. @returns whether all of them are shown: none was too large */
  publishForms(type, content) {
    const data = limitedForms(content.data);
    this.publish(type, { ...content, data });
    return Object.keys(content.data).every((form) => form in data);
  }
}

module.exports = { Output };
