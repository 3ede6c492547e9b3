// Signs a request to the merchant API with Node's own modules (18 or newer):
//
//     BASE_URL=… KEY_ID=key_… ALGORITHM=ed25519 PRIVATE_KEY_FILE=key.pem node sign.mjs GET /api/v1/orders
//     BASE_URL=… KEY_ID=key_… ALGORITHM=hmac-sha256 SECRET_KEY=hk_… node sign.mjs POST /api/v1/orders '{…}'

import { createHash, createHmac, randomUUID, sign as signBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { argv, env } from "node:process";

function signature(base) {
  const bytes = Buffer.from(base);
  if (env.ALGORITHM === "hmac-sha256") {
    return createHmac("sha256", env.SECRET_KEY).update(bytes).digest("base64");
  }
  // Ed25519 has its hash inside; RSA keys are used with PKCS #1 v1.5, Node's default.
  const hash = env.ALGORITHM === "ed25519" ? null : "sha256";
  return signBytes(hash, bytes, readFileSync(env.PRIVATE_KEY_FILE)).toString("base64");
}

/** Return the headers that prove this request. `url` is the published address, with its query. */
export function sign(method, url, body = "", created = Math.floor(Date.now() / 1000)) {
  const values = { "@method": method, "@target-uri": url };
  const headers = {};
  if (body) {
    const digest = createHash("sha256").update(body).digest("base64");
    values["content-type"] = headers["Content-Type"] = "application/json";
    values["content-digest"] = headers["Content-Digest"] = `sha-256=:${digest}:`;
  }
  const names = Object.keys(values).map((name) => `"${name}"`).join(" ");
  const parameters = `(${names});created=${created};nonce="${randomUUID()}";keyid="${env.KEY_ID}"`;
  const lines = Object.entries(values).map(([name, value]) => `"${name}": ${value}`);
  const base = [...lines, `"@signature-params": ${parameters}`].join("\n");
  headers["Signature-Input"] = `sig=${parameters}`;
  headers["Signature"] = `sig=:${signature(base)}:`;
  return headers;
}

const [method, path, body = ""] = argv.slice(2);
const url = env.BASE_URL + path;
const headers = sign(method, url, body);
const answer = await fetch(url, { method, headers, body: body || undefined });
console.log(JSON.stringify({ status: answer.status, body: await answer.json() }));
