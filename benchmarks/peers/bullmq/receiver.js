// Express + BullMQ: verifies the signature and its age, looks at the payload, and adds a job under the event's id.
import { createPublicKey, verify } from "node:crypto";
import express from "express";
import { Queue } from "bullmq";

const TOLERANCE = 300;
// The DER head of an Ed25519 public key (RFC 8410), which node wants before the 32 bytes.
const head = Buffer.from("302a300506032b6570032100", "hex");
const raw = Buffer.from(process.env.TELNYX_PUBLIC_KEY, "base64");
const key = createPublicKey({ key: Buffer.concat([head, raw]), format: "der", type: "spki" });
const queue = new Queue("events", { connection: { url: process.env.REDIS_URL } });

function isMessage(data) {
  return (
    typeof data?.id === "string" &&
    ["message.received", "message.finalized"].includes(data.event_type) &&
    typeof data.payload?.id === "string" &&
    typeof data.payload.from?.phone_number === "string" &&
    Array.isArray(data.payload.to) &&
    data.payload.to.every((each) => typeof each.phone_number === "string")
  );
}

const app = express();
app.disable("x-powered-by");
app.set("etag", false);
app.post("/webhooks", express.raw({ type: "*/*", limit: "1mb" }), async (request, response) => {
  const timestamp = request.headers["telnyx-timestamp"];
  const signature = Buffer.from(request.headers["telnyx-signature-ed25519"] ?? "", "base64");
  const signed = Buffer.concat([Buffer.from(`${timestamp}|`), request.body]);
  if (Math.abs(Date.now() / 1000 - Number(timestamp)) > TOLERANCE || !verify(null, signed, key, signature)) {
    return response.status(401).json({ error: "invalid" });
  }
  const { data } = JSON.parse(request.body);
  if (!isMessage(data)) {
    return response.status(400).json({ error: "invalid" });
  }
  await queue.add("handle", data, { jobId: data.id, removeOnComplete: { age: 3600 } });
  response.json({ status: "accepted" });
});
await queue.waitUntilReady();
app.listen(Number(process.env.BENCH_PORT), "127.0.0.1");
