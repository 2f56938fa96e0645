import { expect, test } from 'vitest';
import { lookOf, queryOf, valueProblem } from './filter';

test('an address says what is looked at, whatever its values look like', () => {
  const look = lookOf({ model: 'gpt', status: 429, live: true, span: 3600, other: 'x' });
  expect(look).toEqual({ filter: { model: 'gpt', status: '429' }, span: '3600', isLive: true });
  expect(lookOf({ span: 'odd' })).toEqual({ filter: {}, span: '86400', isLive: false });
});

test('the API gets numbers where it wants them, and a beginning unless any time is asked for', () => {
  const look = lookOf({ status: '429', min_duration_ms: 5, min_cost_usd: '0.1', span: 3600 });
  expect(queryOf(look, 10_000)).toEqual({
    status: 429,
    min_duration_ms: 5,
    min_cost_usd: '0.1',
    start_time: 6_400,
  });
  expect(queryOf(lookOf({ span: 'any' }), 10_000)).toEqual({});
});

test.each([
  ['status', '42', false],
  ['status', '429', true],
  ['min_cost_usd', '1,5', false],
  ['min_cost_usd', '0.5', true],
  ['model', ' ', false],
] as const)('%s %j is taken: %s', (name, value, isTaken) => {
  expect(valueProblem(name, value) === null).toBe(isTaken);
});
