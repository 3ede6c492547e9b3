// One purchase from its creation to a refund, with Node's own modules (18 or newer).
//
// BASE_URL, SECRET_KEY, WEBHOOK_SECRET and PAYER_TOKEN come from the environment; the demo's stand in .run/demo.json.

import { strict as assert } from "node:assert";
import { randomBytes } from "node:crypto";
import { createServer } from "node:http";
import { env } from "node:process";
import { setTimeout as wait } from "node:timers/promises";
import { verify } from "../webhooks/receiver.mjs";

// Takes in what the platform tells: verify the raw bytes, then act once for each id, then answer 2xx.
let tell;
const paid = new Promise((resolve) => (tell = resolve));
const server = createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const body = Buffer.concat(chunks);
  const secrets = [env.WEBHOOK_SECRET];
  if (!verify({ secrets, headers: request.headers, body })) return response.writeHead(401).end();
  const event = JSON.parse(body);
  if (event.type === "order.success") tell(event);
  response.writeHead(204).end();
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));

// Sends the very same request again after no answer, or when the answer's `action` says so: its numbers make that safe.
async function call(method, path, body) {
  for (let tries = 1; ; tries++) {
    let wished;
    try {
      const answer = await fetch(`${env.BASE_URL}/api/v1${path}`, {
        method,
        headers: { Authorization: `Bearer ${env.SECRET_KEY}`, "Content-Type": "application/json" },
        body: body && JSON.stringify(body),
        signal: AbortSignal.timeout(30_000),
      });
      const document = await answer.json();
      if (answer.ok) return document;
      wished = new Error(`${document.code}: ${document.detail} (${document.request_id})`);
      wished.final = !["RETRY_SAME", "RETRY_LATER"].includes(document.action) && answer.status < 500;
    } catch (error) {
      wished = error;
    }
    if (wished.final || tries === 4) throw wished;
    await wait(500 * 2 ** tries);
  }
}

// 1. Write your own number down first: with it everything can be repeated.
const number = `TEA-${randomBytes(6).toString("hex")}`;
let order = await call("POST", "/orders", {
  merchant_order_no: number,
  amount: 1280,
  currency: "CNY",
  subject: "Green tea",
  notify_url: `http://127.0.0.1:${server.address().port}/`,
});
console.log("created", order.order_no, order.cashier_url);

// 2. Send the customer to order.cashier_url; or, with his agreement, pay by yourself.
await call("POST", `/orders/${order.order_no}/pay`, {
  method: "BALANCE",
  options: { payer_token: env.PAYER_TOKEN },
});

// 3. The webhook tells. Compare number, amount and currency before you hand out the goods.
const event = await paid;
assert.equal(event.data.merchant_order_no, number);
assert.equal(event.data.amount, 1280);
console.log("webhook", event.type, event.data.merchant_order_no);

// 4. Asking gives the same answer, whenever you are not sure.
order = await call("GET", `/orders/${order.order_no}`);
console.log("asked", order.status);

// 5. Money back, in part, under a number of your own.
const refund = await call("POST", "/refunds", {
  order_no: order.order_no,
  merchant_refund_no: `${number}-R1`,
  amount: 280,
});
console.log("refund", refund.status, refund.amount);
server.close();
