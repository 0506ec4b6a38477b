// Every public symbol has an API page: TypeDoc finds no undocumented symbol and no broken link, and a public function
// that throws says what and when.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import ts from "typescript";

const root = join(__dirname, "..", "..");

test("TypeDoc documents every public symbol without a warning", { timeout: 600_000 }, () => {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(root, "node_modules", "typedoc", "bin", "typedoc"), "--emit", "none"],
    { cwd: root, encoding: "utf8" },
  );
  assert.equal(status, 0, stdout + stderr);
});

/** Names of public functions whose own body throws, but whose comment has no @throws. */
function withoutThrows(entry: string): string[] {
  const { options } = ts.parseJsonConfigFileContent(
    ts.readConfigFile(join(root, "tsconfig.json"), ts.sys.readFile).config,
    ts.sys,
    root,
  );
  const program = ts.createProgram([entry], options);
  const checker = program.getTypeChecker();
  const module = checker.getSymbolAtLocation(program.getSourceFile(entry)!)!;
  const exported = checker.getExportsOfModule(module).map((symbol) => {
    return symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
  });
  const throws = (node: ts.Node): boolean =>
    ts.isThrowStatement(node) || (!ts.isFunctionLike(node) && (ts.forEachChild(node, throws) ?? false));
  return exported
    .filter((symbol) => {
      const bodies = (symbol.declarations ?? []).filter(ts.isFunctionDeclaration).map(({ body }) => body);
      return bodies.some((body) => body && throws(body));
    })
    .filter((symbol) => !symbol.getJsDocTags().some(({ name }) => name === "throws"))
    .map(({ name }) => name);
}

test("public functions that throw say what and when", { timeout: 300_000 }, () => {
  assert.deepEqual(withoutThrows(join(root, "lib", "index.ts")), []);
});
