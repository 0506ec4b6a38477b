// Starts the Jupyter kernel of the notebooks: `node launch.cjs <connection file>`.
//
// Cells are TypeScript. tslab (pinned) checks and compiles them, see compiler.cjs; this kernel brings its own executor,
// output and messages, since tslab's report errors as plain text, lose output and cannot be interrupted.
// Library files are loaded by tsx, as in the tests and on the command line.
const { dirname } = require("node:path");

const root = dirname(__dirname);
process.chdir(root); // every notebook imports from "./lib/index", whatever folder it lies in

const { Executor } = require("./executor.cjs");
const { Server } = require("./server.cjs");

const [, , connectionFile] = process.argv;
if (!connectionFile) {
  console.error("usage: node kernel/launch.cjs <connection file>\nJupyter calls this; to start Jupyter: npm start");
  process.exit(2);
}

const executor = new Executor(root); // starts the compiler's process
import("tsx") // loads TypeScript for `require` and `import()`
  .then(() => new Server(executor).start(connectionFile))
  .catch((error) => {
    console.error("The kernel cannot start:", error);
    process.exit(1);
  });
