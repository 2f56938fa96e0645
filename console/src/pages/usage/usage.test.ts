import { expect, test } from 'vitest';
import type { Schemas } from '../../api/types';
import { barsOf } from './bars';
import { budgetOf, limitOf } from './budget';
import { cell, csvOf } from './csv';
import { into, rangeOf, without } from './look';
import {
  between,
  daysOf,
  forecast,
  isoDay,
  lastDays,
  monthSoFar,
  rangeNamed,
  RANGES,
  widthOf,
} from './range';
import { fold, type Part } from './report';

const NOON = Date.UTC(2026, 10, 15, 12) / 1_000;
const DAY = 86_400;

const part = (start: number, results: Part['results']): Part => ({ start, end: start + DAY, results });

test('ranges are whole days of UTC, today among them', () => {
  expect(daysOf(lastDays(7, NOON))).toBe(7);
  expect(isoDay(lastDays(7, NOON).start)).toBe('2026-11-09');
  expect(isoDay(monthSoFar(NOON).start)).toBe('2026-11-01');
  expect(daysOf(monthSoFar(NOON))).toBe(15);
});

test('every span to choose from is what its name says, and no name is this month', () => {
  const days = RANGES.map(({ value }) => daysOf(rangeNamed(value, NOON)));
  expect(days).toEqual([7, 15, 31, 90]);
  expect(rangeNamed(undefined, NOON)).toEqual(monthSoFar(NOON));
  expect(rangeNamed('nonsense', NOON)).toEqual(lastDays(31, NOON));
});

test('a span of days ends today at the latest, and is none if it ends before it begins', () => {
  expect(between('2026-11-02', '2026-11-01', NOON)).toBeNull();
  expect(between('', '2026-11-01', NOON)).toBeNull();
  expect(between('2026-11-16', '2026-11-20', NOON)).toBeNull();
  expect(between('2026-11-14', '2026-11-20', NOON)).toEqual(lastDays(2, NOON));
  expect(rangeOf({ range: 'custom', from: 'x', to: 'y' }, NOON)).toEqual(monthSoFar(NOON));
});

test('a day or two show their hours, more show days', () => {
  expect(widthOf(lastDays(2, NOON))).toBe('hour');
  expect(widthOf(lastDays(3, NOON))).toBe('day');
});

test('a month that goes on as it began ends in proportion', () => {
  expect(forecast(14.5, NOON)).toBeCloseTo(30);
  expect(forecast(1, Date.UTC(2026, 10, 1, 3) / 1_000)).toBeNull();
});

test('buckets of a day are one bar, and the largest series comes first', () => {
  const report = fold('day', [
    part(DAY, [['a', 1]]),
    part(0, [['a', 2], ['b', 5]]),
    part(DAY, [['b', 1], ['a', 1]]),
  ]);
  expect(report.series).toEqual(['b', 'a']);
  expect(report.buckets.map(({ start }) => start)).toEqual([0, DAY]);
  expect(report.buckets[1]?.values).toEqual({ a: 2, b: 1 });
  expect(report.total).toBe(10);
});

test('an empty day is a bar too, and a day that goes on is said to be partial', () => {
  const { bars } = barsOf(fold('day', [part(0, []), part(DAY, [['a', 1]])]), (id) => id, DAY + 1);
  expect(bars.map(({ isPartial }) => isPartial)).toEqual([false, true]);
  expect(bars).toHaveLength(2);
});

test('many small series are one, and none is lost', () => {
  const results = Array.from({ length: 15 }, (_, n): [string, number] => [`m${n}`, 20 - n]);
  const { series, bars } = barsOf(fold('day', [part(0, results)]), (id) => id, DAY);
  expect(series).toHaveLength(10);
  expect(series.at(-1)?.name).toBe('6 others');
  const drawn = series.reduce((sum, { id }) => sum + (bars[0]?.values[id] ?? 0), 0);
  expect(drawn).toBe(results.reduce((sum, [, value]) => sum + value, 0));
});

test('looking into a series asks what is not told apart yet', () => {
  const model = into({}, 'model', 'm');
  expect(model).toEqual({ only: { model: ['m'] }, by: 'project_id' });
  const key = into(model ?? {}, 'project_id', 'p');
  expect(key?.by).toBe('api_key_id');
  expect(without({ only: { model: ['m'], project_id: ['p'] } }, 'model').only).toEqual({
    project_id: ['p'],
  });
  const all = { model: ['m'], project_id: ['p'], api_key_id: ['k'] };
  expect(into({ only: all }, 'user_id', 'u')).toBeNull();
});

const budget = (window: 'day' | 'week' | 'month', type: 'organization' | 'project') =>
  ({ id: window, window, limit_usd: '300.00', scope: { type, id: 'x' } }) as Schemas['Budget'];

test('a budget is drawn as the part of it that falls on a bar', () => {
  const november = monthSoFar(NOON);
  expect(limitOf(budget('day', 'project'), november, 'day').value).toBe(300);
  expect(limitOf(budget('month', 'project'), november, 'day').value).toBe(10);
  expect(limitOf(budget('day', 'project'), november, 'hour').value).toBe(12.5);
});

test('the line is for the chosen budget, else for the shortest of the organization', () => {
  const budgets = [budget('month', 'organization'), budget('day', 'project')];
  expect(budgetOf(budgets, undefined)?.id).toBe('month');
  expect(budgetOf(budgets, 'day')?.id).toBe('day');
  expect(budgetOf(budgets, 'none')).toBeUndefined();
});

test('no cell is a formula, and all can be read back', () => {
  expect(cell('=1+1')).toBe("'=1+1");
  expect(cell('a,"b"')).toBe('"a,""b"""');
  const csv = csvOf(fold('day', [part(0, [['m', 2]])]), (name) => `Model ${name}`);
  expect(csv).toBe('day,Model m\r\n1970-01-01,2');
  expect(csvOf(fold('hour', [part(3_600, [])]), (name) => name)).toBe('hour\r\n1970-01-01T01:00Z');
});
