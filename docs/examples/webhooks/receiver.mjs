// Receives webhooks with Node's own modules (18 or newer):
//
//     WEBHOOK_SECRET=whsec_… node receiver.mjs 8787
//
// While a secret is replaced, give both with a blank between.

import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";
import { argv, env } from "node:process";
import { pathToFileURL } from "node:url";

const TOLERANCE_S = 300;
const MOST_BYTES = 1024 * 1024;

/**
 * Tell whether the platform sent exactly these bytes within the last five minutes.
 * `body` is a Buffer as it came, before any parsing; header names are lower case, as Node gives them.
 */
export function verify({ secrets, headers, body, now = Date.now() / 1000 }) {
  const id = headers["webhook-id"];
  const timestamp = headers["webhook-timestamp"] ?? "";
  if (!id || !/^[0-9]{1,12}$/.test(timestamp)) return false;
  if (Math.abs(now - Number(timestamp)) > TOLERANCE_S) return false;
  const came = (headers["webhook-signature"] ?? "").split(" ").map((part) => Buffer.from(part));
  return secrets.some((secret) => {
    const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
    const mac = createHmac("sha256", key).update(`${id}.${timestamp}.`).update(body).digest("base64");
    const good = Buffer.from(`v1,${mac}`);
    return came.some((one) => one.length === good.length && timingSafeEqual(one, good));
  });
}

// In your shop this is a unique column, written in the same transaction as what the event makes you do.
const seen = new Set();

async function receive(request, response) {
  const chunks = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size > MOST_BYTES) return response.writeHead(413).end();
    chunks.push(chunk);
  }
  const body = Buffer.concat(chunks);
  const secrets = env.WEBHOOK_SECRET.split(" ");
  if (!verify({ secrets, headers: request.headers, body })) return response.writeHead(401).end();
  const event = JSON.parse(body);
  if (!seen.has(event.id) && event.type === "order.success") {
    // Compare order_no, amount and currency with your own order before you hand anything out.
    console.log("paid", event.data.merchant_order_no, event.id);
  }
  seen.add(event.id);
  return response.writeHead(204).end(); // also for what you do not know, and for what comes twice
}

if (argv[1] && import.meta.url === pathToFileURL(argv[1]).href) {
  const server = createServer((request, response) => {
    receive(request, response).catch(() => response.writeHead(500).end());
  });
  server.listen(Number(argv[2]), "127.0.0.1", () => console.log("listening", server.address().port));
}
