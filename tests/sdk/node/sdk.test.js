// The data plane and the Administration API through the official SDK for Node.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import OpenAI from 'openai';
import { install } from './installation.js';

const model = 'gpt-4o-mini';
const text = 'Hello from the upstream.';
const messages = [{ role: 'user', content: 'Hello World' }];
const native = 'gpt-native';
const forEver = 'Go on for ever';

let rich;
let broke;
let client;

before(async () => {
  [rich, broke] = await Promise.all([install('5'), install()]);
  const { api_key, admin_key, base_url } = rich.made;
  client = new OpenAI({ apiKey: api_key, adminAPIKey: admin_key, baseURL: base_url });
});

after(() => Promise.all([rich?.end(), broke?.end()]));

test('hello world', async () => {
  const completion = await client.chat.completions.create({ model, messages });
  assert.equal(completion.choices[0].message.content, text);
  assert.match(completion._request_id, /^req_/);
});

test('streaming', async () => {
  const stream = await client.chat.completions.create({ model, messages, stream: true });
  let received = '';
  for await (const chunk of stream) received += chunk.choices[0].delta.content ?? '';
  assert.equal(received, text);
});

test('a response, whole and as a stream', async () => {
  const response = await client.responses.create({ model, input: 'Hello World' });
  assert.equal(response.output_text, text);
  const kinds = [];
  const stream = await client.responses.create({ model, input: 'Hello World', stream: true });
  for await (const event of stream) kinds.push(event.type);
  assert.deepEqual([kinds.at(0), kinds.at(-1)], ['response.created', 'response.completed']);
});

test('a stream that is cut off ends at its length', async () => {
  const stream = client.chat.completions.stream({
    model,
    messages: [{ role: 'user', content: forEver }],
    max_tokens: 4,
    stream_options: { include_usage: true },
  });
  const [choice] = (await stream.finalChatCompletion()).choices;
  assert.deepEqual([choice.message.content, choice.finish_reason], [text, 'length']);
  assert.equal((await stream.totalUsage()).completion_tokens, 4);
});

test('a response that is cut off is incomplete', async () => {
  for (const asked of [model, native]) {
    const stream = client.responses.stream({ model: asked, input: forEver, max_output_tokens: 4 });
    const kinds = [];
    for await (const event of stream) kinds.push(event.type);
    assert.equal(kinds.at(-1), 'response.incomplete');
    const response = await stream.finalResponse();
    assert.equal(response.incomplete_details.reason, 'max_output_tokens');
    assert.deepEqual([response.output_text, response.usage.output_tokens], [text, 4]);
  }
});

test('embeddings and models', async () => {
  const answer = await client.embeddings.create({ model, input: 'a' });
  assert.deepEqual(answer.data[0].embedding, [0.5, -0.25, 0.125]);
  const ids = [];
  for await (const each of client.models.list()) ids.push(each.id);
  assert.deepEqual(ids, [model, native]);
});

test('errors have their classes and codes', async () => {
  const stranger = new OpenAI({ apiKey: 'sk-nonsense', baseURL: rich.made.base_url });
  await assert.rejects(stranger.models.list(), (error) => {
    assert.ok(error instanceof OpenAI.AuthenticationError);
    return error.code === 'invalid_api_key';
  });
  const unknown = client.chat.completions.create({ model: 'nothing', messages });
  await assert.rejects(unknown, (error) => {
    assert.ok(error instanceof OpenAI.NotFoundError);
    return error.code === 'model_not_found';
  });
  await assert.rejects(
    client.chat.completions.create({ model, messages: [] }),
    OpenAI.BadRequestError,
  );
});

test('exhausted credit is not tried again', async () => {
  let attempts = 0;
  const poor = new OpenAI({
    apiKey: broke.made.api_key,
    baseURL: broke.made.base_url,
    fetch: (...call) => {
      attempts += 1;
      return fetch(...call);
    },
  });
  await assert.rejects(poor.chat.completions.create({ model, messages }), (error) => {
    assert.ok(error instanceof OpenAI.RateLimitError);
    return error.code === 'credit_balance_exhausted';
  });
  assert.equal(attempts, 1);
});

test('projects are administered', async () => {
  const { projects } = client.admin.organization;
  const made = await projects.create({ name: 'Search' });
  const ids = [];
  for await (const project of projects.list({ limit: 1 })) ids.push(project.id);
  assert.ok(ids.includes(made.id));
  assert.equal((await projects.archive(made.id)).status, 'archived');
});
