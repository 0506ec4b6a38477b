// Jupyter's wire protocol, version 5.3: one signed message is [identities…, delimiter, signature, header, parent
// header, metadata, content]. https://jupyter-client.readthedocs.io/en/stable/messaging.html#the-wire-protocol
const { createHmac, randomUUID, timingSafeEqual } = require("node:crypto");

const { wellFormedJson } = require("./text.cjs");

const DELIMITER = Buffer.from("<IDS|MSG>");
const session = randomUUID();

/** The message in `frames`; an error if its signature is not that of `key`. */
function readMessage(frames, key) {
  const delimiter = frames.findIndex((frame) => frame.equals(DELIMITER));
  if (delimiter < 0 || frames.length < delimiter + 6) throw new Error("a message without delimiter or parts");
  const parts = frames.slice(delimiter + 2, delimiter + 6);
  const given = frames[delimiter + 1];
  const wanted = Buffer.from(sign(parts, key));
  if (given.length !== wanted.length || !timingSafeEqual(given, wanted))
    throw new Error("a message with a wrong signature");
  const [header, parent, metadata, content] = parts.map((part) => JSON.parse(part.toString()));
  return { identities: frames.slice(0, delimiter), header, parent, metadata, content };
}

/** The frames of a message of `type` that answers `request` (null for one that answers nothing). */
function writeMessage(type, content, request, key, identities = []) {
  const header = {
    msg_id: randomUUID(),
    msg_type: type,
    session,
    username: "kernel",
    version: "5.3",
    date: new Date().toISOString(),
  };
  const parts = [header, request?.header ?? {}, {}, content].map((part) => Buffer.from(wellFormedJson(part)));
  return [...identities, DELIMITER, Buffer.from(sign(parts, key)), ...parts];
}

function sign(parts, key) {
  if (!key) return "";
  const hmac = createHmac("sha256", key);
  for (const part of parts) hmac.update(part);
  return hmac.digest("hex");
}

module.exports = { readMessage, writeMessage };
