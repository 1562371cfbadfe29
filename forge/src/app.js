// Where our pages begin in Forge: the host first, then what is the same in both products.

// Atlassian's package throws while it is read where there is no bridge; then the page says
// that Jira does not answer.
if (globalThis.__bridge?.callBridge) await import("./host.js");
await import("../../app/static/app.js");
