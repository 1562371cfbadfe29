// Verifies tokens by key sets as they were known at some moment: JSON in, JSON out.
import { readFileSync } from "node:fs";
import { createLocalJWKSet, jwtVerify } from "jose";

const { issuer, audience, sets, cases } = JSON.parse(readFileSync(0, "utf-8"));
const known = sets.map((set) => createLocalJWKSet(set));
const refused = [];
for (const { token, known_set, at } of cases) {
  try {
    await jwtVerify(token, known[known_set], {
      algorithms: ["RS256"],
      issuer,
      audience,
      currentDate: new Date(at * 1000),
      requiredClaims: ["exp", "iat"],
    });
  } catch (error) {
    refused.push(`${at}: ${error.code ?? error.message}`);
  }
}
process.stdout.write(JSON.stringify({ refused, count: cases.length }));
