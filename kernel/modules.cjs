// `require` for cells: from the repository root, library files through tsx, edited ones again.
const { createRequire } = require("node:module");
const { isAbsolute, join, sep } = require("node:path");
const { modificationTime } = require("./files.cjs");

/** The modules of ours that a cell imports. Types are not loaded. */
const IMPORTS = /^\s*(?:import|export)\s(?!\s*type\b)[^"'`;]*["'](\.{1,2}\/[^"']+)["']/gm;

/** @returns require for cells. A file of ours that changed since it was loaded is loaded again when a cell imports
 *  from our files, and so is every file that imports it, directly or not; what does not depend on it stays.
 *  Its `ahead(code)` loads what the cell `code` will import. */
function requireForCells(root) {
  const load = createRequire(join(root, "cell.js"));
  const loaded = new Map(); // file -> modification time when it was first seen loaded

  function requireModule(name) {
    const ours = name.startsWith(".") || isAbsolute(name);
    if (ours) forgetEdited();
    if (name === "tslab") {
      load("tslab/dist/jupyter.js").lastWriteDisplayData = globalThis[Symbol.for("promptloss.kernel")].display;
    }
    try {
      return load(name);
    } finally {
      if (ours) for (const file of ourFiles()) if (!loaded.has(file)) loaded.set(file, modificationTime(file));
    }
  }

  function ahead(code) {
    try {
      for (const [, name] of code.matchAll(IMPORTS)) requireModule(name);
    } catch {
      // The cell will fail with it.
    }
  }

  return Object.assign(requireModule, { ahead });

  function ourFiles() {
    const packages = join(root, "node_modules") + sep;
    const kernel = __dirname + sep;
    return Object.keys(require.cache).filter(
      (file) => file.startsWith(root + sep) && !file.startsWith(packages) && !file.startsWith(kernel),
    );
  }

  function forgetEdited() {
    const files = ourFiles();
    const stale = new Set(files.filter((file) => loaded.has(file) && loaded.get(file) !== modificationTime(file)));
    if (stale.size === 0) return;
    for (let before = -1; before !== stale.size;) {
      before = stale.size;
      for (const file of files)
        if (require.cache[file].children.some((child) => stale.has(child.filename))) stale.add(file);
    }
    for (const file of stale) {
      delete require.cache[file];
      loaded.delete(file);
    }
  }
}

module.exports = { requireForCells };
