// openapi.json imports into Postman, as its official converter does it: every operation is there.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { promisify } from 'node:util';
import converter from 'openapi-to-postmanv2';

const text = await readFile(new URL('../../openapi.json', import.meta.url), 'utf8');
const methods = ['get', 'post', 'put', 'patch', 'delete'];

/** Every request of a collection, whatever folder it is in. */
function* requests({ item = [], request }) {
  if (request) yield request;
  for (const each of item) yield* requests(each);
}

test('every operation becomes a request', async () => {
  const convert = promisify(converter.convertV2);
  const { result, reason, output } = await convert(
    { type: 'string', data: text },
    { folderStrategy: 'Tags', requestParametersResolution: 'Example' },
  );
  assert.ok(result, reason);
  const made = [...requests(output[0].data)];
  const operations = Object.values(JSON.parse(text).paths).flatMap((path) =>
    methods.filter((method) => method in path).map((method) => path[method].summary),
  );
  assert.equal(made.length, operations.length);
  assert.deepEqual(made.map(({ name }) => name).sort(), operations.sort());
  const bodies = made.filter(({ body }) => body?.raw);
  assert.ok(bodies.every(({ body }) => typeof JSON.parse(body.raw) === 'object'));
});
