// Cells are modules to the compiler, which adds the exports that make their names known to later cells. What a cell
// exports by itself, copied from a module for example, is made plain declarations; each keeps its line.

/** The cell `code` without `export`. @param ts the TypeScript compiler */
function withoutExports(ts, code) {
  if (!/\bexport\b/.test(code)) return code;
  const file = ts.createSourceFile("cell.ts", code, ts.ScriptTarget.Latest, false, ts.ScriptKind.TS);
  return file.statements
    .flatMap((statement) => edits(ts, file, statement))
    .reverse() // an edit moves only what follows it
    .reduce((text, { start, end, by }) => text.slice(0, start) + by + text.slice(end), code);
}

/** The replacements in one statement, by position. */
function edits(ts, file, statement) {
  const start = statement.getStart(file);
  if (ts.isExportAssignment(statement)) {
    const value = { start: statement.expression.getStart(file), end: statement.expression.end };
    return [
      { start, end: value.start, by: replaced(file.text.slice(start, value.start), "(") },
      { start: value.end, end: value.end, by: ")" },
    ];
  }
  if (ts.isExportDeclaration(statement)) return [fromExportDeclaration(ts, file, statement, start)].filter(Boolean);
  const modifiers = (statement.modifiers ?? []).filter(
    ({ kind }) => kind === ts.SyntaxKind.ExportKeyword || kind === ts.SyntaxKind.DefaultKeyword,
  );
  // A function or class without a name is an expression: there is no such declaration but for the default export.
  const nameless = modifiers.length === 2 && statement.name === undefined;
  return [
    ...modifiers.map((modifier, i) => {
      const [from, end] = [modifier.getStart(file), modifier.end];
      return { start: from, end, by: replaced(file.text.slice(from, end), nameless && i === 1 ? "(" : "") };
    }),
    ...(nameless ? [{ start: statement.end, end: statement.end, by: ")" }] : []),
  ];
}

/** `export { a, b as c }` declares c only; with `from` it is an import. `export * from` declares nothing here. */
function fromExportDeclaration(ts, file, { exportClause: clause, moduleSpecifier, isTypeOnly, end }, start) {
  const text = file.text.slice(start, end);
  if (moduleSpecifier) return { start, end, by: clause ? text.replace("export", "import") : replaced(text, "") };
  const renamed = clause.elements.filter(({ propertyName, name }) => propertyName && name.text !== "default");
  const declared = isTypeOnly ? [] : renamed.filter((element) => !element.isTypeOnly);
  return {
    start,
    end,
    by: replaced(text, declared.map((e) => `const ${e.name.text} = ${e.propertyName.text};`).join("")),
  };
}

/** `by` at the start of blanks as long as `text`, with its line breaks; longer only if `by` is. */
function replaced(text, by) {
  const blanks = text.replace(/[^\n\r]/g, " ");
  return by + (/[\n\r]/.test(blanks.slice(0, by.length)) ? blanks : blanks.slice(by.length));
}

module.exports = { withoutExports };
