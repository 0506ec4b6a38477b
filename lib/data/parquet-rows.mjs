// Prints the rows of a Parquet file as JSON: the reader is asynchronous, and its caller is not. Usage: node
// parquet-rows.mjs <file>; a fault of the file is printed as { "problem": "…" }.
import { writeSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { asyncBufferFromFile, parquetReadObjects } from "hyparquet";

/** Integers of 64 bits as numbers, where a number is exact. */
function exact(_, value) {
  if (typeof value !== "bigint") return value;
  if (!Number.isSafeInteger(Number(value))) throw new Error(`the integer ${value} has more than 53 bits`);
  return Number(value);
}

async function output() {
  try {
    const file = await asyncBufferFromFile(process.argv[2]);
    const rows = await parquetReadObjects({ file, compressors: { GZIP: (bytes) => gunzipSync(bytes) } });
    return JSON.stringify({ rows }, exact);
  } catch (error) {
    return JSON.stringify({ problem: error.message });
  }
}

const bytes = Buffer.from(await output());
for (let sent = 0; sent < bytes.length;) {
  try {
    sent += writeSync(1, bytes, sent);
  } catch (error) {
    if (error.code !== "EAGAIN") throw error;
  }
}
