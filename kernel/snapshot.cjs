// The cache of the compiler's memory with all types loaded (a V8 startup snapshot, some 100 MB). An entry belongs to one
// version of Node, the packages and the kernel, and one list of library files. Library files that changed after it was
// made are read again by the compiler, as they are in a kernel that runs.
const { spawn } = require("node:child_process");
const { createHash } = require("node:crypto");
const { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync } = require("node:fs");
const { cpus } = require("node:os");
const { join } = require("node:path");
