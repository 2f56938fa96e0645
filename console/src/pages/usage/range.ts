/** A span of whole UTC days: reports count days in UTC. */
export interface Range {
  /** Seconds since 1970, the first day's beginning. */
  start: number;
  /** The end of the last day; today's is still to come. */
  end: number;
}

const DAY = 86_400;

const startOfDay = (seconds: number) => Math.floor(seconds / DAY) * DAY;

/** The last so many days, today among them. */
export function lastDays(days: number, now: number): Range {
  const end = startOfDay(now) + DAY;
  return { start: end - days * DAY, end };
}

/** The month of a moment so far: to the end of today. */
export function monthSoFar(now: number): Range {
  const date = new Date(now * 1_000);
  const start = Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), 1) / 1_000;
  return { start, end: startOfDay(now) + DAY };
}

/** From one day to another as `YYYY-MM-DD`, both of them in it; null if that is no span. */
export function between(from: string, to: string): Range | null {
  const start = Date.parse(`${from}T00:00:00Z`) / 1_000;
  const last = Date.parse(`${to}T00:00:00Z`) / 1_000;
  if (!Number.isFinite(start) || !Number.isFinite(last) || last < start) return null;
  return { start, end: last + DAY };
}

/** A day of a range as `YYYY-MM-DD`. */
export function isoDay(seconds: number): string {
  return new Date(seconds * 1_000).toISOString().slice(0, 10);
}

/** How many days a range has. */
export function daysOf({ start, end }: Range): number {
  return Math.round((end - start) / DAY);
}

/**
 * What a month comes to if it goes on as it went so far: null where too little of it is over to tell.
 */
export function forecast(spent: number, now: number): number | null {
  const date = new Date(now * 1_000);
  const first = Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), 1) / 1_000;
  const next = Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 1) / 1_000;
  const over = now - first;
  if (over < DAY) return null;
  return (spent / over) * (next - first);
}
