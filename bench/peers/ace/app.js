// What a team writes with atlassian-connect-express: one route behind its
// authentication, which records each call; PERSIST=1 asks for the record.
// Two processes by Node's own `cluster`, as its documentation shows.
const cluster = require("cluster");
const express = require("express");
const { Sequelize, DataTypes } = require("sequelize");
const ace = require("atlassian-connect-express");

const { PORT, SQLITE, POSTGRES, PERSIST, TENANTS, PROCESSES } = process.env;
const options = SQLITE
  ? { dialect: "sqlite", storage: SQLITE, logging: false }
  : { url: POSTGRES, logging: false, pool: { max: 8 } };

async function opened(app) {
  const baseUrl = `http://127.0.0.1:${PORT}`;
  const addon = ace(app, {
    config: {
      production: {
        port: PORT,
        localBaseUrl: baseUrl,
        store: { adapter: "sequelize", ...options },
      },
    },
  });
  await addon.settings.connectionPromise;
  await addon.settings.installationMappingPromise;
  await addon.settings.forgeSettingsPromise;
  if (SQLITE) {
    // On both connections: the store's own, and that of the records.
    for (const each of [addon.settings.sequelize, database]) {
      await each.query("PRAGMA journal_mode = WAL");
      await each.query("PRAGMA synchronous = FULL");
      await each.query("PRAGMA busy_timeout = 10000");
    }
  }
  return addon;
}

const database = SQLITE
  ? new Sequelize(options)
  : new Sequelize(options.url, options);
const Run = database.define(
  "runs",
  {
    tenant: { type: DataTypes.TEXT },
    body: { type: DataTypes.TEXT },
  },
  { timestamps: false },
);

async function prepare() {
  const addon = await opened(express());
  await Run.sync();
  for (let number = 0; number < Number(TENANTS); number += 1) {
    const clientKey = `tenant-${number}`;
    const sharedSecret = `secret-${number}-0123456789abcdef0123456789abcdef`;
    const baseUrl = `https://${clientKey}.atlassian.net`;
    const known = { key: "bench-ace", clientKey, sharedSecret, baseUrl };
    await addon.settings.set("clientInfo", known, clientKey);
  }
  for (let number = 0; number < Number(PROCESSES); number += 1) {
    cluster.fork();
  }
  cluster.on("exit", () => process.exit(1));
}

async function serve() {
  const app = express();
  app.use(express.json());
  const addon = await opened(app);
  app.post("/triggered", addon.authenticate(), async (request, response) => {
    if (PERSIST) {
      await Run.create({
        tenant: request.context.clientKey,
        body: JSON.stringify(request.body),
      });
    }
    response.status(204).end();
  });
  app.listen(Number(PORT), "127.0.0.1");
}

(cluster.isPrimary ? prepare() : serve()).catch((error) => {
  console.error(error);
  process.exit(1);
});
