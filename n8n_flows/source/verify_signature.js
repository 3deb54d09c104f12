// Standard Webhooks: HMAC-SHA256 over `id.timestamp.body`, the body byte for byte as it came.
const crypto = require('crypto');

const TOLERANCE_SECONDS = 300;
const SHORTEST_KEY_BYTES = 24;

function refuse(status, error) {
  return [{ json: { genuine: false, status, error } }];
}

const key = Buffer.from(($env.FIREHOSE_WEBHOOK_SECRET || '').replace(/^whsec_/, ''), 'base64');
if (key.length < SHORTEST_KEY_BYTES) return refuse(500, 'FIREHOSE_WEBHOOK_SECRET is not set in n8n, or too short');

const item = $input.first();
const { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signatures } = item.json.headers;
if (!id || !timestamp || !signatures) return refuse(401, 'signature headers are missing');
if (!/^\d{1,12}$/.test(timestamp) || Math.abs(Date.now() / 1000 - Number(timestamp)) > TOLERANCE_SECONDS) {
  return refuse(401, 'the timestamp is not within five minutes of now');
}

const body = item.binary?.data ? await this.helpers.getBinaryDataBuffer(0, 'data') : Buffer.alloc(0);
const expected = crypto.createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest();
const genuine = signatures.split(' ').some((each) => {
  const given = Buffer.from(each.replace(/^v1,/, ''), 'base64');
  return each.startsWith('v1,') && given.length === expected.length && crypto.timingSafeEqual(given, expected);
});
if (!genuine) return refuse(401, 'the signature does not match');

let event;
try {
  event = JSON.parse(body.toString('utf8'));
} catch {
  return refuse(400, 'the body is not JSON');
}
if (event?.type !== 'spike.detected' || event.data?.spike_id !== id) return refuse(400, 'not a spike.detected event of this id');
return [{ json: { genuine: true, webhook_id: id, spike: event.data } }];
