// Reads a Parquet file from standard input and prints its rows as JSON Lines, for a caller that cannot wait for an
// asynchronous reader. Ends with 1 and the cause on standard error if the file cannot be read.
import * as zlib from "node:zlib";
import { parquetMetadata, parquetReadObjects } from "hyparquet";

/** Compression codecs besides Snappy, which the reader has itself. Node.js has Zstandard from 22.15 on. */
const compressors = {
  GZIP: (bytes) => zlib.gunzipSync(bytes),
  BROTLI: (bytes) => zlib.brotliDecompressSync(bytes),
  ...(zlib.zstdDecompressSync && { ZSTD: (bytes) => zlib.zstdDecompressSync(bytes) }),
};

/** Replaces what JSON does not have: 64-bit integers by numbers, values that are not there by null. */
function jsonValue(_, value) {
  if (value === undefined) return null;
  if (typeof value !== "bigint") return value;
  if (!Number.isSafeInteger(Number(value))) throw new Error(`the integer ${value} has more than 53 bits`);
  return Number(value);
}

async function standardInput() {
  const chunks = [];
  for await (const chunk of process.stdin) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
}

try {
  const file = await standardInput();
  const metadata = parquetMetadata(file);
  let rowStart = 0;
  for (const group of metadata.row_groups) {
    const rowEnd = rowStart + Number(group.num_rows);
    const rows = await parquetReadObjects({ file, metadata, rowStart, rowEnd, compressors });
    process.stdout.write(rows.map((row) => `${JSON.stringify(row, jsonValue)}\n`).join(""));
    rowStart = rowEnd;
  }
} catch (error) {
  process.stderr.write(error.message);
  process.exitCode = 1;
}
