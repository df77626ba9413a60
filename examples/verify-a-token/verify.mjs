// Verifies an access token of Doorward with Node alone: token on stdin, secret in SECRET_KEY, claims on stdout.

import { createHmac, timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";

/** The claims of `token`. Throws when it is expired, forged or not an access token. */
function verify(token, secretKey, now = Date.now() / 1000) {
  const parts = token.split(".");
  if (parts.length !== 3) throw new Error("not a token");
  const [header, payload, signature] = parts;

  // Nothing of the token is believed before its signature holds. Texts are compared, not decoded bytes:
  // Node's base64url decoder overlooks characters that do not belong there.
  const expected = createHmac("sha256", secretKey).update(`${header}.${payload}`).digest("base64url");
  if (!sameText(signature, expected)) throw new Error("wrong signature");

  const { alg, crit } = decode(header);
  if (alg !== "HS256" || crit !== undefined) throw new Error("not signed with HS256");

  const claims = decode(payload);
  for (const name of ["sub", "role", "jti"]) {
    if (typeof claims[name] !== "string") throw new Error(`${name} must be a string`);
  }
  for (const name of ["iat", "exp"]) {
    if (!Number.isSafeInteger(claims[name])) throw new Error(`${name} must be an integer`);
  }
  if (claims.iat > now) throw new Error("issued in the future");
  if (claims.exp <= now) throw new Error("expired");
  if (claims.aud !== undefined) throw new Error("meant for somebody else"); // or: claims.aud !== "your audience"
  return claims;
}

function sameText(one, other) {
  const [a, b] = [Buffer.from(one), Buffer.from(other)];
  return a.length === b.length && timingSafeEqual(a, b);
}

function decode(part) {
  return JSON.parse(Buffer.from(part, "base64url").toString());
}

try {
  const secretKey = process.env.SECRET_KEY ?? "";
  if (Buffer.byteLength(secretKey) < 32) throw new Error("SECRET_KEY must hold the server's secret: 32 bytes or more");
  console.log(JSON.stringify(verify(readFileSync(0, "utf8").trim(), secretKey)));
} catch (error) {
  console.error(`refused: ${error.message}`);
  process.exitCode = 1;
}
