// Asks a module of docs/receivers.md about one delivery: JSON in, JSON out.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const { verify } = await import(pathToFileURL(process.argv[2]));
const { proof, body } = JSON.parse(readFileSync(0, "utf-8"));
let said;
try {
  said = { claims: await verify(proof, Buffer.from(body, "base64")) };
} catch (error) {
  said = { refused: `${error.name}: ${error.message}` };
}
process.stdout.write(JSON.stringify(said));
