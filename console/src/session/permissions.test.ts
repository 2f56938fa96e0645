import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { PERMISSIONS } from './permissions';

test('the console knows every permission that the server knows', () => {
  const page = readFileSync('../docs/access.md', 'utf8');
  const rows = page.matchAll(/^\| `(api\.[\w.]+)` \| organization/gm);
  const known = [...rows].map(([, name]) => name);
  expect(known.length).toBeGreaterThan(20);
  expect(PERMISSIONS.map(({ value }) => value)).toEqual(known);
});
