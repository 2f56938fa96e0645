import type { Bar, Series } from '../../ui/chart/StackedBars';
import { colorOf, REST_COLOR } from './colors';
import type { Width } from './range';
import type { Report } from './report';

/** The most series that have a colour of their own; the small ones after them are one. */
const MOST = 9;
const REST = 'rest';

const utc = (options: Intl.DateTimeFormatOptions) =>
  new Intl.DateTimeFormat(undefined, { ...options, timeZone: 'UTC' });

const FORMATS = {
  day: {
    label: utc({ day: 'numeric', month: 'short' }),
    title: utc({ weekday: 'short', day: 'numeric', month: 'short', year: 'numeric' }),
  },
  hour: {
    label: utc({ hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }),
    title: utc({
      day: 'numeric',
      month: 'short',
      hour: '2-digit',
      minute: '2-digit',
      hourCycle: 'h23',
      timeZoneName: 'short',
    }),
  },
} satisfies Record<Width, Record<'label' | 'title', Intl.DateTimeFormat>>;

/** As "Nov 26" or "14:00". */
export function labelOf(start: number, width: Width): string {
  return FORMATS[width].label.format(start * 1_000);
}

/** As "Thu, Nov 26, 2026" or "Nov 26, 14:00 UTC". */
export function titleOf(start: number, width: Width): string {
  return FORMATS[width].title.format(start * 1_000);
}

/** A report as the chart draws it. */
export function barsOf(report: Report, nameOf: (series: string) => string, now: number) {
  const named = report.series.slice(0, report.series.length > MOST + 1 ? MOST : MOST + 1);
  const rest = report.series.slice(named.length);
  const series: Series[] = named.map((id, index) => ({ id, name: nameOf(id), color: colorOf(index) }));
  if (rest.length > 0) series.push({ id: REST, name: `${rest.length} others`, color: REST_COLOR });
  const bars: Bar[] = report.buckets.map(({ start, end, values }) => ({
    id: String(start),
    label: labelOf(start, report.width),
    title: titleOf(start, report.width),
    values: { ...values, [REST]: rest.reduce((sum, id) => sum + (values[id] ?? 0), 0) },
    isPartial: end > now,
  }));
  return { series, bars };
}
