// A request with an Idempotency-Key through the official SDK for Node: it runs and costs once.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import OpenAI from 'openai';
import { install } from './installation.js';

const hello = { model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'Hello World' }] };
const slowly = { ...hello, messages: [{ role: 'user', content: 'Take your time' }] };

let client;
let installation;
let sent = 0;

before(async () => {
  installation = await install('5');
  const { made } = installation;
  const counted = (...request) => {
    sent += 1;
    return fetch(...request);
  };
  const options = { apiKey: made.api_key, baseURL: made.base_url, fetch: counted, maxRetries: 20 };
  client = new OpenAI(options);
});

after(() => installation?.end());

function keyed() {
  return { headers: { 'Idempotency-Key': randomUUID() } };
}

test('the same key twice is one charge', async () => {
  const options = keyed();
  const create = () => client.chat.completions.create(hello, options).withResponse();
  const [first, second] = [await create(), await create()];
  assert.deepEqual(second.data, first.data);
  const of = ({ response }, name) => response.headers.get(name);
  assert.equal(of(second, 'farebox-replayed'), of(first, 'x-request-id'));
  assert.equal(of(second, 'farebox-balance'), of(first, 'farebox-balance'));
});

test('a stream comes again as it was', async () => {
  const options = keyed();
  const create = async () => {
    const stream = await client.chat.completions.create({ ...hello, stream: true }, options);
    const chunks = [];
    for await (const chunk of stream) chunks.push(chunk);
    return chunks;
  };
  const first = await create();
  assert.ok(first.length > 3);
  assert.deepEqual(await create(), first);
});

test('one in progress is waited for', async () => {
  const options = keyed();
  const create = () => client.chat.completions.create(slowly, options).withResponse();
  sent = 0;
  const both = await Promise.all([create(), create()]);
  assert.ok(sent > 2, 'one was told to try again');
  assert.deepEqual(both[1].data, both[0].data);
  const replayed = both.map(({ response }) => response.headers.get('farebox-replayed'));
  assert.equal(replayed.filter((id) => id === null).length, 1, 'one ran');
});

test('a key of another request is not repeated', async () => {
  const options = keyed();
  await client.chat.completions.create(hello, options);
  sent = 0;
  const other = client.chat.completions.create({ ...hello, max_tokens: 7 }, options);
  await assert.rejects(other, (error) => {
    assert.ok(error instanceof OpenAI.ConflictError, String(error));
    return error.code === 'idempotency_key_reused';
  });
  assert.equal(sent, 1);
});
