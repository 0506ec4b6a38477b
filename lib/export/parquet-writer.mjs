// Reads rows as JSON Lines from standard input and writes them as a Parquet file to standard output. The argument has
// the types of the columns as JSON. Ends with 1 and the cause on standard error if a value does not fit.
import { createInterface } from "node:readline";
import { parquetWriteBuffer } from "hyparquet-writer";

const PLAIN = {
  int32: { type: "INT32" },
  double: { type: "DOUBLE" },
  text: { type: "BYTE_ARRAY", converted_type: "UTF8" },
};

/** The schema elements of a column, depth first, as Parquet has them. */
function elements(name, type) {
  const repetition_type = "REQUIRED";
  if (typeof type === "string") return [{ name, repetition_type, ...PLAIN[type] }];
  if (type.fields) {
    const fields = Object.entries(type.fields);
    return [{ name, repetition_type, num_children: fields.length }, ...fields.flatMap((field) => elements(...field))];
  }
  return [
    { name, repetition_type, converted_type: "LIST", num_children: 1 },
    { name: "list", repetition_type: "REPEATED", num_children: 1 },
    ...elements("element", type.list),
  ];
}

try {
  const columns = Object.entries(JSON.parse(process.argv[2]));
  const data = columns.map(() => []);
  for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
    const row = JSON.parse(line);
    columns.forEach(([name], i) => data[i].push(row[name]));
  }
  const schema = [{ name: "root", num_children: columns.length }, ...columns.flatMap((column) => elements(...column))];
  const columnData = columns.map(([name], i) => ({ name, data: data[i] }));
  process.stdout.write(Buffer.from(parquetWriteBuffer({ schema, columnData })));
} catch (error) {
  process.stderr.write(error.message);
  process.exitCode = 1;
}
