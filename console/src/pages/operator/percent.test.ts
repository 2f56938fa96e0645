import { expect, test } from 'vitest';
import { basisPointsOf, percentOf } from './percent';

test.each([
  ['12.5', 1_250],
  ['-20', -2_000],
  ['+0.01 %', 1],
  ['0', 0],
  ['1000', 100_000],
])('%s per cent are %i basis points', (text, points) => {
  expect(basisPointsOf(text)).toBe(points);
});

test.each(['', 'a', '1.234', '-100', '1000.01'])('%j is refused, as the server would', (text) => {
  expect(basisPointsOf(text)).toBeNull();
});

test.each([
  [1_250, '+12.5 %'],
  [-2_000, '−20 %'],
  [5, '+0.05 %'],
  [0, '0 %'],
])('%i basis points read as %s', (points, text) => {
  expect(percentOf(points)).toBe(text);
});
