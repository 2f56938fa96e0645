const day = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium' });
const minute = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });
const second = new Intl.DateTimeFormat(undefined, {
  month: 'short',
  day: 'numeric',
  hour: 'numeric',
  minute: '2-digit',
  second: '2-digit',
});
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: 'auto' });

const UNITS: [Intl.RelativeTimeFormatUnit, number][] = [
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
];

/** A day in the reader's zone. */
export function dayOf(seconds: number): string {
  return day.format(seconds * 1_000);
}

/** Day and time in the reader's zone. */
export function minuteOf(seconds: number): string {
  return minute.format(seconds * 1_000);
}

/** Day and time to the second in the reader's zone; for what is recent, so without the year. */
export function secondOf(seconds: number): string {
  return second.format(seconds * 1_000);
}

/** As `2026-12-01 14:05:09 UTC`. */
export function utcOf(seconds: number): string {
  return `${new Date(seconds * 1_000).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}

/** As "3 hours ago" or "in 2 days"; a day and time where that is more than a month. */
export function agoOf(seconds: number, nowSeconds: number): string {
  const away = seconds - nowSeconds;
  if (Math.abs(away) > 30 * 86_400) return minuteOf(seconds);
  for (const [unit, length] of UNITS) {
    if (Math.abs(away) >= length) return relative.format(Math.trunc(away / length), unit);
  }
  return away > 0 ? 'in less than a minute' : 'just now';
}
