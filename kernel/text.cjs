// Limits of what cells show. A notebook of hundreds of megabytes opens nowhere, and one with half of a character cannot
// be saved.

const { isNativeError } = require("node:util/types");

/** Longest text (UTF-16 code units) of a result, an error, one printed text, or the plain form of an output. */
const LONGEST_TEXT = 1_000_000;
/** Longest of any other form of an output: HTML, pictures, figures as JSON. */
const LARGEST_FORM = 50_000_000;

/** A text of at most `limit` code units, with a line that says so if it is cut. A surrogate pair is never cut. */
function limited(text, limit = LONGEST_TEXT) {
  if (text.length <= limit) return text;
  const start = text.slice(0, limit).replace(/[\ud800-\udbff]$/, "");
  return `${start}\n… cut: the first ${count(start.length)} of ${count(text.length)} characters are shown`;
}

/** The forms of an output, by MIME type, that are not too large; the plain one names the others. */
function limitedForms(forms) {
  const kept = {};
  const leftOut = [];
  for (const [type, form] of Object.entries(forms)) {
    const size = lengthOf(form);
    if (type === "text/plain" && typeof form === "string") kept[type] = limited(form);
    else if (size <= LARGEST_FORM) kept[type] = form;
    else leftOut.push(`… left out, too large to be shown: ${type} of ${count(size)} characters`);
  }
  if (leftOut.length > 0) kept["text/plain"] = [kept["text/plain"] ?? [], leftOut].flat().join("\n");
  return kept;
}

/** Length of a form in a message. @throws {TypeError} if it cannot be written as JSON */
function lengthOf(form) {
  if (typeof form === "string") return form.length;
  try {
    return JSON.stringify(form)?.length ?? 0;
  } catch (error) {
    if (isNativeError(error) && error.name === "RangeError") return 2 ** 29; // longer than any string can be
    throw error;
  }
}

/** JSON in which half of a surrogate pair, which no file in UTF-8 can store, is the replacement character. */
function wellFormedJson(value) {
  const json = JSON.stringify(value);
  // It escapes nothing else of these code units.
  return /\\ud[89a-f]/.test(json) ? json.replace(/\\(ud[89a-f]..|.)/g, whole) : json;
}

const whole = (escape, code) => (code.length > 1 ? "\ufffd" : escape);

const count = (number) => number.toLocaleString("en-US");

module.exports = { LONGEST_TEXT, count, limited, limitedForms, wellFormedJson };
