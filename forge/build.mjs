// Make `forge/static/`, the files that `forge deploy` uploads: for each page its frame, one
// script of all our modules and Atlassian's bridge, and the stylesheet.
//
//     npm run forge

import { execFileSync } from "node:child_process";
import { copyFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";

import { build } from "esbuild";

const HERE = import.meta.dirname;
const ROOT = join(HERE, "..");
const STATIC = join(HERE, "static");

const { outputFiles } = await build({
  absWorkingDir: ROOT,
  entryPoints: ["forge/src/app.js"],
  bundle: true,
  format: "esm",
  target: "es2022",
  minify: true,
  charset: "utf8",
  write: false,
});
const [script] = outputFiles;

rmSync(STATIC, { recursive: true, force: true });
// The frames come from the template that Connect's pages have, hence from our own command.
const PATH = [join(ROOT, ".venv", "bin"), process.env.PATH].join(delimiter);
execFileSync("countersign", ["forge", "shells", STATIC], {
  cwd: ROOT,
  env: { ...process.env, PATH },
  stdio: "inherit",
});

for (const page of readdirSync(STATIC)) {
  writeFileSync(join(STATIC, page, "app.js"), script.contents);
  copyFileSync(join(ROOT, "app", "static", "app.css"), join(STATIC, page, "app.css"));
}
copyFileSync(join(HERE, "src", "icon.svg"), join(STATIC, "issue", "icon.svg"));
