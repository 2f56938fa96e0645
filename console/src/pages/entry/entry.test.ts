import { expect, test, vi } from 'vitest';

vi.stubGlobal('window', { location: { origin: 'https://farebox.example', hash: '' } });
vi.stubGlobal('localStorage', { getItem: () => null });
const { safeReturn } = await import('./entry');

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
