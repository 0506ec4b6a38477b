const { readdirSync, statSync } = require("node:fs");
const { join } = require("node:path");

/** Names of the library's source files below the repository root `root`, one a line. */
function libraryFiles(root) {
  return readdirSync(join(root, "lib"), { recursive: true })
    .filter((name) => name.endsWith(".ts"))
    .sort()
    .join("\n");
}

/** Time of the last change in ms, or null if there is no such file. */
function modificationTime(path) {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? null;
}

module.exports = { libraryFiles, modificationTime };
