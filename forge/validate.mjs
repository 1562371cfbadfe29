// Ask Atlassian's own validator about manifests: the one that `forge lint` and `forge
// deploy` ask. It says what it finds; any finding, a warning too, fails.
//
//     node forge/validate.mjs forge/manifest.yml

import { validate } from "@forge/manifest";

async function findings(path) {
  const { success, errors = [] } = await validate(false, path);
  if (!success && !errors.length) return [`${path}: not valid, and nobody says why`];
  return errors.map(({ level, line, message }) => `${path}:${line ?? 0}: ${level}: ${message}`);
}

const paths = process.argv.slice(2);
if (!paths.length) {
  console.error("which manifests?");
  process.exit(2);
}
for (const path of paths) {
  for (const finding of await findings(path)) {
    console.error(finding);
    process.exitCode = 1;
  }
}
