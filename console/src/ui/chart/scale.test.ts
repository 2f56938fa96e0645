import { expect, test } from 'vitest';
import { labelEvery, scaleTo, stack } from './scale';

test('a scale ends at a round number that holds the most', () => {
  expect(scaleTo(0.92, 4, false)).toEqual({ end: 1, ticks: [0, 0.25, 0.5, 0.75, 1] });
  expect(scaleTo(0.3, 3, false).ticks).toEqual([0, 0.1, 0.2, 0.3]);
  expect(scaleTo(1_234, 4, true).end).toBe(1_500);
  expect(scaleTo(0.000018, 4, false).end).toBeCloseTo(0.00002);
});

test('requests are never cut in halves', () => {
  expect(scaleTo(2, 4, true).ticks).toEqual([0, 1, 2]);
});

test('nothing has a scale too', () => {
  expect(scaleTo(0, 4, false)).toEqual({ end: 1, ticks: [0] });
  expect(scaleTo(Number.NaN, 4, false).ticks).toEqual([0]);
});

test('labels leave each other room', () => {
  expect(labelEvery(7, 700, 50)).toBe(1);
  expect(labelEvery(90, 700, 50)).toBe(7);
  expect(labelEvery(5, 10, 50)).toBe(5);
});

test('pieces stand on each other, and nothing has none', () => {
  expect(stack({ a: 2, b: 0, c: 1 }, ['c', 'b', 'a'])).toEqual([
    { id: 'c', from: 0, to: 1 },
    { id: 'a', from: 1, to: 3 },
  ]);
});
