// How the value of a cell's last expression is shown.
const { inspect } = require("node:util");

/** Longest text (characters) of an array, so that it is one line. */
const LINE = 100;

/** Shows a value that the library knows how to show, see lib/notebook/kernel.ts; describes any other.
 *  @returns text, or undefined if nothing is left to show */
async function showResult(value) {
  if (value === undefined || value === null) return undefined;
  if (typeof value === "string") return value;
  const shown = await globalThis[Symbol.for("promptloss.kernel")].showResult?.(value);
  if (shown) return undefined;
  return isArray(value) ? lineOf(value) : inspect(value);
}

/** Whether a value is an array. A revoked proxy must not be asked. */
function isArray(value) {
  try {
    return Array.isArray(value);
  } catch {
    return false;
  }
}

/** An array on one line, with as many of its elements as fit. */
function lineOf(array) {
  const describe = (maxArrayLength) =>
    inspect(array, { breakLength: Infinity, compact: true, maxArrayLength, maxStringLength: LINE }).replaceAll(
      /\s+/g,
      " ",
    );
  let text = describe(0);
  for (let count = 1; ; count++) {
    const longer = describe(count);
    if (longer.length > LINE || longer === text) return text;
    text = longer;
  }
}

module.exports = { showResult };
