import { expect, test } from 'vitest';
import { cell, csvOf } from './csv';
import { between, daysOf, forecast, isoDay, lastDays, monthSoFar } from './range';
import { fold } from './report';

const NOON = Date.UTC(2026, 10, 15, 12) / 1_000;

test('ranges are whole days of UTC, today among them', () => {
  expect(daysOf(lastDays(7, NOON))).toBe(7);
  expect(isoDay(lastDays(7, NOON).start)).toBe('2026-11-09');
  expect(isoDay(monthSoFar(NOON).start)).toBe('2026-11-01');
  expect(daysOf(monthSoFar(NOON))).toBe(15);
  expect(between('2026-11-02', '2026-11-01')).toBeNull();
  expect(between('', '2026-11-01')).toBeNull();
});

test('a month that goes on as it began ends in proportion', () => {
  expect(forecast(14.5, NOON)).toBeCloseTo(30);
  expect(forecast(1, Date.UTC(2026, 10, 1, 3) / 1_000)).toBeNull();
});

test('buckets of a day are one bar, and the largest series comes first', () => {
  const report = fold([
    { start: 86_400, results: [['a', 1]] },
    { start: 0, results: [['a', 2], ['b', 5]] },
    { start: 86_400, results: [['b', 1], ['a', 1]] },
  ]);
  expect(report.series).toEqual(['b', 'a']);
  expect(report.days.map(({ day }) => day)).toEqual(['1970-01-01', '1970-01-02']);
  expect(report.days[1]?.values).toEqual({ a: 2, b: 1 });
  expect(report.total).toBe(10);
});

test('no cell is a formula, and all can be read back', () => {
  expect(cell('=1+1')).toBe("'=1+1");
  expect(cell('a,"b"')).toBe('"a,""b"""');
  const csv = csvOf(fold([{ start: 0, results: [['m', 2]] }]), (name) => `Model ${name}`);
  expect(csv).toBe('day,Model m\r\n1970-01-01,2');
});
