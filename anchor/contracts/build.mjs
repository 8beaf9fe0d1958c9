// Compiles the contracts into artifacts/NAME.json, and the tokens that only
// tests deploy into testdata/NAME.json. Run by "make contracts"; the results are
// committed, so nothing else needs npm. With --check it writes nothing and fails
// when a file is not what comes out.
//
// The bytecode holds no metadata hash: the same source gives the same bytes
// wherever it lies.
import { createHash } from "node:crypto";
import { existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import solc from "solc";

const here = dirname(fileURLToPath(import.meta.url));

const settings = {
  // paris: Tron's machine has later opcodes only where a vote switched them on.
  evmVersion: "paris",
  viaIR: true,
  optimizer: { enabled: true, runs: 10000 },
  metadata: { bytecodeHash: "none", appendCBOR: false },
  outputSelection: { "*": { "*": ["abi", "evm.bytecode.object"] } },
};

function compile(folder) {
  const sources = {};
  for (const name of readdirSync(join(here, folder)).sort()) {
    sources[name] = { content: readFileSync(join(here, folder, name), "utf8") };
  }
  const output = JSON.parse(
    solc.compile(JSON.stringify({ language: "Solidity", sources, settings })),
  );
  for (const e of output.errors ?? []) console.error(e.formattedMessage);
  if (output.errors?.length) process.exit(1); // warnings too
  // A test compares these with the files, so that nobody edits a source and
  // forgets to compile it.
  const hashes = Object.fromEntries(
    Object.entries(sources).map(([name, { content }]) => [
      name,
      createHash("sha256").update(content).digest("hex"),
    ]),
  );
  return Object.values(output.contracts)
    .flatMap((file) => Object.entries(file))
    .map(([name, c]) => [name, { ...c, sources: hashes }]);
}

function write(folder, contracts) {
  for (const [name, c] of contracts) {
    const bin = c.evm.bytecode.object;
    if (bin === "") continue; // interfaces and abstract contracts
    const artifact = {
      compiler: solc.version(),
      sources: c.sources,
      abi: c.abi,
      bin: "0x" + bin,
    };
    const path = join(here, folder, name + ".json");
    const text = JSON.stringify(artifact, null, 1) + "\n";
    if (!process.argv.includes("--check")) {
      writeFileSync(path, text);
    } else if (!existsSync(path) || readFileSync(path, "utf8") !== text) {
      console.error(`${path} is not what solc ${solc.version()} makes of its sources: run "make contracts"`);
      process.exitCode = 1;
    }
  }
}

const libraries = ["Members", "Consistency"]; // inlined
write("artifacts", compile("src").filter(([name]) => !libraries.includes(name)));
write("testdata", compile("testdata/src"));
