#!/usr/bin/env node
// What forge asks of a compiler, answered by npm's solc: --version, and
// --standard-json from standard input to standard output.
import { readFileSync } from "node:fs";
import solc from "solc";

if (process.argv.includes("--version")) {
  console.log("solc, the solidity compiler commandline interface");
  console.log("Version: " + solc.version());
} else {
  process.stdout.write(solc.compile(readFileSync(0, "utf8")));
}
