import { expect, test } from 'vitest';
import { safeReturn } from './entry';

test.each([
  ['/limits?tab=rates', '/limits?tab=rates'],
  ['https://evil.example/', '/'],
  ['//evil.example/x', '/'],
  ['/\\evil.example', '/'],
  [undefined, '/'],
  ['javascript:alert(1)', '/'],
])('after signing in, %s leads to %s', (wanted, page) => {
  expect(safeReturn(wanted)).toBe(page);
});
