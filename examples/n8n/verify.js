// The Code node behind a Webhook node with the option "Raw Body". It passes on what Ringback signed, and nothing else.
// Self-hosted n8n needs NODE_FUNCTION_ALLOW_BUILTIN=crypto, and RINGBACK_FORWARD_SECRET in its environment. From 2.0 on
// it shows the environment to nodes only with N8N_BLOCK_ENV_ACCESS_IN_NODE=false.
const crypto = require("crypto");

const MOST_SECONDS = 300; // Ringback signs each attempt anew, so that an old one is a copy

async function verified(item, index) {
  const { headers } = item.json;
  const body = await this.helpers.getBinaryDataBuffer(index, "data");
  const secret = Buffer.from($env.RINGBACK_FORWARD_SECRET.replace(/^whsec_/, ""), "base64");
  const signed = Buffer.concat([Buffer.from(`${headers["webhook-id"]}.${headers["webhook-timestamp"]}.`), body]);
  const wanted = Buffer.from(crypto.createHmac("sha256", secret).update(signed).digest("base64"));
  const signatures = String(headers["webhook-signature"]).split(" ").map((each) => Buffer.from(each.replace(/^v1,/, "")));
  const known = signatures.some((each) => each.length === wanted.length && crypto.timingSafeEqual(each, wanted));
  if (!known || Math.abs(Date.now() / 1000 - Number(headers["webhook-timestamp"])) > MOST_SECONDS) {
    throw new Error("This request is not from Ringback, or it is old.");
  }
  return { json: { id: headers["webhook-id"], ...JSON.parse(body.toString("utf8")).data } };
}

return Promise.all($input.all().map(verified, this));
