/** A span of whole UTC days: reports count days in UTC. */
export interface Range {
  /** Seconds since 1970, the first day's beginning. */
  start: number;
  /** The end of the last day; today's is still to come. */
  end: number;
}

/** How long the time of one bar is. */
export type Width = 'day' | 'hour';

export const HOUR = 3_600;
export const DAY = 86_400;

/** The longest range whose hours are shown: more of them could not be told apart. */
const MOST_DAYS_OF_HOURS = 2;

const startOfDay = (seconds: number) => Math.floor(seconds / DAY) * DAY;

/** The last so many days, today among them. */
export function lastDays(days: number, now: number): Range {
  const end = startOfDay(now) + DAY;
  return { start: end - days * DAY, end };
}

/** The month of a moment so far: to the end of today. */
export function monthSoFar(now: number): Range {
  return { start: monthOf(now).start, end: startOfDay(now) + DAY };
}

/** Spans to choose from, by the names that addresses have for them. */
export const RANGES = [
  { value: '7', label: '7 days' },
  { value: 'month', label: 'This month' },
  { value: '31', label: '31 days' },
  { value: '90', label: '90 days' },
];

/** The span of such a name: this month, or so many days. */
export function rangeNamed(name: string | number | undefined, now: number): Range {
  const known = name ?? 'month';
  return known === 'month' ? monthSoFar(now) : lastDays(Number(known) || 31, now);
}

/** The whole month of a moment. */
export function monthOf(seconds: number): Range {
  const date = new Date(seconds * 1_000);
  const first = (months: number) =>
    Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + months, 1) / 1_000;
  return { start: first(0), end: first(1) };
}

/**
 * From one day to another as `YYYY-MM-DD`, both of them in it, and none after today; null if that
 * is no span.
 */
export function between(from: string, to: string, now: number): Range | null {
  const start = Date.parse(`${from}T00:00:00Z`) / 1_000;
  const last = Date.parse(`${to}T00:00:00Z`) / 1_000;
  if (!Number.isFinite(start) || !Number.isFinite(last) || last < start) return null;
  const end = Math.min(last, startOfDay(now)) + DAY;
  return start < end ? { start, end } : null;
}

/** A day of a range as `YYYY-MM-DD`. */
export function isoDay(seconds: number): string {
  return new Date(seconds * 1_000).toISOString().slice(0, 10);
}

/** How many days a range has. */
export function daysOf({ start, end }: Range): number {
  return Math.round((end - start) / DAY);
}

/** Whether a range is shown by day or by hour. */
export function widthOf(range: Range): Width {
  return daysOf(range) <= MOST_DAYS_OF_HOURS ? 'hour' : 'day';
}

/** How much of a range is over, in days. */
export function daysOver({ start, end }: Range, now: number): number {
  return Math.max(0, Math.min(end, now) - start) / DAY;
}

/**
 * What a month comes to if it goes on as it went so far: null where too little of it is over to tell.
 */
export function forecast(spent: number, now: number): number | null {
  const month = monthOf(now);
  const over = daysOver(month, now);
  return over < 1 ? null : (spent / over) * daysOf(month);
}
