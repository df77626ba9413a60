// better-auth with e-mail and password on PostgreSQL. Passwords go through @node-rs/argon2, as its documentation
// shows for a hash of one's own; its jwt plugin makes access tokens. Rate limits are off, as for every server here.
// `node server.mjs PORT DATABASE_URL`, after `node server.mjs migrate DATABASE_URL`.
import { createServer } from "node:http";
import { hash, verify } from "@node-rs/argon2";
import { betterAuth } from "better-auth";
import { getMigrations } from "better-auth/db/migration";
import { toNodeHandler } from "better-auth/node";
import { jwt } from "better-auth/plugins";
import pg from "pg";

const [what, url] = process.argv.slice(2);
const cost = { memoryCost: 65536, timeCost: 3, parallelism: 4 };

const auth = betterAuth({
  baseURL: "http://localhost",
  secret: "a secret for the benchmark and for nothing else",
  database: new pg.Pool({ connectionString: url, max: 16 }),
  emailAndPassword: {
    enabled: true,
    password: {
      hash: (password) => hash(password, cost),
      verify: ({ hash: stored, password }) => verify(stored, password, cost),
    },
  },
  rateLimit: { enabled: false },
  telemetry: { enabled: false },
  plugins: [jwt()],
});

if (what === "migrate") {
  const { runMigrations } = await getMigrations(auth.options);
  await runMigrations();
  process.exit(0);
}
createServer(toNodeHandler(auth)).listen(Number(what), "127.0.0.1");
