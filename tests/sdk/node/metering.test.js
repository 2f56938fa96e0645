// Streams, refusals and metering through the official SDK for Node, beyond the first hello.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import OpenAI from 'openai';
import { install } from './installation.js';

const hello = { model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'Hello World' }] };
const costUsd = '0.00000375';

let made;
let client;
let installation;

before(async () => {
  installation = await install('5');
  ({ made } = installation);
  client = connect();
});

after(() => installation?.end());

function connect(options = {}) {
  return new OpenAI({
    apiKey: made.api_key,
    adminAPIKey: made.admin_key,
    baseURL: made.base_url,
    ...options,
  });
}

async function collect(iterable) {
  const items = [];
  for await (const item of iterable) items.push(item);
  return items;
}

test('every answer tells its cost', async () => {
  const { response } = await client.chat.completions.create(hello).withResponse();
  assert.equal(response.headers.get('farebox-cost'), costUsd);
  assert.ok(Number(response.headers.get('farebox-balance')) > 0);
});

test('usage in a stream comes when asked for, once and last', async () => {
  const plain = await collect(await client.chat.completions.create({ ...hello, stream: true }));
  assert.ok(plain.every((chunk) => chunk.choices.length === 1 && !chunk.usage));
  const options = { stream: true, stream_options: { include_usage: true } };
  const chunks = await collect(await client.chat.completions.create({ ...hello, ...options }));
  const last = chunks.pop();
  assert.ok(chunks.every((chunk) => chunk.usage === null));
  assert.deepEqual([last.choices, last.usage.total_tokens], [[], 13]);
});

test('no key is an authentication error', async () => {
  const stranger = connect({ defaultHeaders: { Authorization: null } });
  await assert.rejects(stranger.chat.completions.create(hello), (error) => {
    assert.ok(error instanceof OpenAI.AuthenticationError, String(error));
    return /You didn't provide an API key/.test(error.message);
  });
});

test('usage and costs of a service account add up, and its key ends with it', async () => {
  const { projects, usage } = client.admin.organization;
  const startTime = Math.floor(Date.now() / 86_400_000) * 86_400;
  const project = await projects.create({ name: 'Metered' });
  const account = await projects.serviceAccounts.create(project.id, { name: 'meter' });
  const metered = connect({ apiKey: account.api_key.value });
  await metered.chat.completions.create(hello);
  await collect(await metered.chat.completions.create({ ...hello, stream: true }));

  const query = { start_time: startTime, project_ids: [project.id] };
  const results = (page) => page.data.flatMap((bucket) => bucket.results);
  let rows = [];
  for (let tries = 0; tries < 150 && rows[0]?.num_model_requests !== 2; tries += 1) {
    await new Promise((resolve) => setTimeout(resolve, 200));
    rows = results(await usage.completions({ ...query, group_by: ['model', 'api_key_id'] }));
  }
  assert.deepEqual(
    rows.map((row) => [row.model, row.api_key_id, row.num_model_requests]),
    [[hello.model, account.api_key.id, 2]],
  );
  const costs = results(await usage.costs({ ...query, group_by: ['project_id'] }));
  const total = costs.reduce((sum, row) => sum + row.amount.value, 0);
  assert.ok(Math.abs(total - 2 * Number(costUsd)) < 1e-12, String(total));

  await projects.serviceAccounts.delete(account.id, { project_id: project.id });
  await assert.rejects(metered.chat.completions.create(hello), OpenAI.AuthenticationError);
});
