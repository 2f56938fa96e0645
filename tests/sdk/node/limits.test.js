// Spend limits and rate limits: administered through the official SDK for Node, met by traffic.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import OpenAI from 'openai';
import { install } from './installation.js';

const model = 'gpt-4o-mini';
const messages = [{ role: 'user', content: 'Hello World' }];
const monthly = { currency: 'USD', interval: 'month' };
// Two choices of the longest answer can cost more than a cent.
const dear = { model, messages, max_tokens: 16384, n: 2 };

let made;
let installation;
let client;
let sent = 0;

before(async () => {
  installation = await install('5');
  ({ made } = installation);
  client = new OpenAI({
    apiKey: made.api_key,
    adminAPIKey: made.admin_key,
    baseURL: made.base_url,
    fetch: (...call) => {
      sent += 1;
      return fetch(...call);
    },
  });
});

after(() => installation?.end());

/** Expects that a request is refused with this code, and was sent once. */
async function refused(request, code) {
  sent = 0;
  await assert.rejects(request(), (error) => {
    assert.ok(error instanceof OpenAI.RateLimitError);
    return error.code === code;
  });
  assert.equal(sent, 1);
}

for (const [name, code] of [
  ['project', 'project_spend_limit_exceeded'],
  ['organization', 'organization_spend_limit_exceeded'],
]) {
  test(`the spend limit of the ${name}`, async () => {
    const { organization } = client.admin;
    const ofProject = name === 'project';
    const limits = ofProject ? organization.projects.spendLimit : organization.spendLimit;
    const where = ofProject ? [made.project_id] : [];
    await assert.rejects(limits.retrieve(...where), OpenAI.NotFoundError);
    const limit = await limits.update(...where, { threshold_amount: 1, ...monthly });
    assert.deepEqual([limit.object, limit.threshold_amount], [`${name}.spend_limit`, 1]);
    assert.equal(limit.enforcement.status, 'inactive');
    const dearly = () => client.chat.completions.create(dear);
    await refused(dearly, code);
    assert.equal((await limits.retrieve(...where)).enforcement.status, 'enforcing');
    await limits.update(...where, { threshold_amount: 400, ...monthly });
    assert.equal((await limits.retrieve(...where)).threshold_amount, 400);
    await dearly();
    const gone = await limits.delete(...where);
    assert.deepEqual([gone.object, gone.deleted], [`${name}.spend_limit.deleted`, true]);
  });
}

test('what is no spend limit names its field', async () => {
  const limit = { threshold_amount: 10.5, ...monthly };
  await assert.rejects(client.admin.organization.spendLimit.update(limit), (error) => {
    assert.ok(error instanceof OpenAI.BadRequestError);
    return error.param === 'threshold_amount';
  });
});

test('rate limits of a project', async () => {
  const { rateLimits } = client.admin.organization.projects;
  const project_id = made.project_id;
  const rows = [];
  for await (const row of rateLimits.listRateLimits(project_id, { limit: 1 })) rows.push(row);
  const row = rows.find((each) => each.model === model);
  assert.equal(row.id, `rl-${model}`);
  const one = { project_id, max_requests_per_1_minute: 1 };
  const changed = await rateLimits.updateRateLimit(row.id, one);
  assert.equal(changed.max_requests_per_1_minute, 1);
  const ask = () => client.chat.completions.create({ model, messages }, { maxRetries: 0 });
  await ask().catch(() => {});
  await refused(ask, 'rate_limit_exceeded');
});
