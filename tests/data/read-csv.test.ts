import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { DataError } from "../../lib/data/errors";
import { csvNames, csvNumbers, readCsv } from "../../lib/data/read-csv";
import { toCsv } from "../../lib/export/export";
import { temporaryFolder } from "../runs/world";
import { csvFile } from "../support/csv-file";

test("fields are read unchanged: quotes, commas and line breaks inside, a byte order mark, CRLF, blank lines", () => {
  const table = readCsv(csvFile('\uFEFFname,score\r\n"a ""b"", c",0.1\r\n\r\n"two\nlines",1e-3\r\n'));
  assert.deepEqual(table.columns, ["name", "score"]);
  assert.deepEqual(csvNames(table, "name"), ['a "b", c', "two\nlines"]);
  assert.deepEqual(csvNumbers(table, "score"), [0.1, 0.001]);
});

test("any mixture of line ends separates rows, and stays within quotes", () => {
  const table = readCsv(csvFile('name;score\r\na;1\n"b\r\nc";2\rd;"3"\r\n\n e;4\n'));
  assert.deepEqual(table.records, [
    ["a", "1"],
    ["b\r\nc", "2"],
    ["d", "3"],
    [" e", "4"],
  ]);
});

test("semicolons and tabs; text that looks like a number stays text in a column of names", () => {
  for (const delimiter of [";", "\t"]) {
    const table = readCsv(csvFile(["name", "score"].join(delimiter) + `\n007${delimiter}-.5\n1.0${delimiter}+2.\n`));
    assert.deepEqual(
      [csvNames(table, "name"), csvNumbers(table, "score")],
      [
        ["007", "1.0"],
        [-0.5, 2],
      ],
    );
  }
});

test("texts that a spreadsheet would take for formulas are written with an apostrophe and read back without", () => {
  const names = ["=1+1", "@SUM(A1)", "+cmd|' /C calc'!A0", "-x", "\tx", "＝1", "'=1", "''-a", "it's", "'quoted'", "-"];
  const numbers = ["-1.5", "+2", "-1e-3"];
  const rows = [...names, ...numbers].map((name, i) => ({ "=name": name, value: i === 0 ? -0.5 : i }));
  const csv = toCsv(rows);
  const cells = ["'=1+1", "'@SUM(A1)", "'+cmd|' /C calc'!A0", "'-x", '"\'\tx"', "'＝1", "''=1", "'''-a", "it's"];
  const lines = [...cells, "'quoted'", "'-", ...numbers].map((cell, i) => `${cell},${i === 0 ? -0.5 : i}\n`);
  assert.equal(csv, `'=name,value\n${lines.join("")}`);
  const table = readCsv(csvFile(csv));
  assert.deepEqual(table.columns, ["=name", "value"]);
  assert.deepEqual(
    table.records.map(([name]) => name),
    [...names, ...numbers],
  );
});

test("values written by toCsv are read back exactly", () => {
  const rows = [
    { name: 'x, "y"\nz', value: 0.1 + 0.2 },
    { name: "é", value: 1e-300 },
    { name: "long", value: -123456789.123456789 },
  ];
  const table = readCsv(csvFile(toCsv(rows)));
  assert.deepEqual(
    csvNumbers(table, "value"),
    rows.map(({ value }) => value),
  );
  assert.deepEqual(
    csvNames(table, "name"),
    rows.map(({ name }) => name),
  );
});

const INVALID_FILES: [string, string, RegExp][] = [
  [
    "text for a number",
    "name,score\na,0.5\nb,high\n",
    new RegExp(
      "scores\\.csv: some rows cannot be used.*\\n" +
        ' {2}row 2 \\(index 1\\), column "score": "high" is not a number; write it like 0\\.25',
    ),
  ],
  ["a missing number", "name,score\na,\n", /row 1 \(index 0\), column "score": "" is not a number/],
  ["a decimal comma", "name;score\na;0,5\n", /column "score": "0,5" is not a number/],
  ["R's NA", "name,score\na,NA\n", /"NA" is not a number/],
  ["hexadecimal", "name,score\na,0x10\n", /"0x10" is not a number/],
  ["an infinite number", "name,score\na,1e999\n", /"1e999" is not a number/],
  ["an empty name", "name,score\n ,1\n", /column "name": " " is empty; give it a name/],
  ["a missing column", "name,points\na,1\n", /there is no column "score"; the columns are "name", "points"/],
  ["a repeated column", "name,name\na,1\n", /column "name" occurs more than once/],
  ["an extra field", "name,score\na,1\nb,2,3\n", /row 2 \(index 1\): has 3 fields, but the header has 2/],
  ["a header alone", "name,score\n", /the file has a header line but no rows below it/],
  ["an empty file", "", /the file has no rows/],
  ["an open quote", 'name,score\n"a,1\n', /row 1 \(index 0\): quoted field unterminated/],
];
for (const [name, text, message] of INVALID_FILES) {
  test(`an error names file, row and column: ${name}`, () =>
    assert.throws(
      () => {
        const table = readCsv(csvFile(text));
        csvNames(table, "name");
        csvNumbers(table, "score");
      },
      (error) => {
        assert.ok(error instanceof DataError);
        assert.match(error.message, message);
        return true;
      },
    ));
}

test("an error counts the faults it does not list and names a missing file", () => {
  assert.throws(() => csvNumbers(readCsv(csvFile(`name,score\n${"a,x\n".repeat(9)}`)), "score"), /… and 4 more faults/);
  assert.throws(() => readCsv(join(temporaryFolder(), "none.csv")), /none\.csv: there is no such file/);
});
