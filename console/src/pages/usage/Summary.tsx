import { Facts } from '../../ui/Facts';
import { usdOfNumber } from '../../ui/money';
import { useNow } from '../../ui/now';
import { daysOver, forecast, monthSoFar, type Range } from './range';
import { useReport, type Measure, type Only, type Report } from './report';

const month = new Intl.DateTimeFormat(undefined, { month: 'long', timeZone: 'UTC' });

interface SummaryProps {
  report: Report;
  range: Range;
  measure: Measure;
  only: Only;
  format: (value: number) => string;
}

/** What it comes to, and what the month will come to at this pace. */
export function Summary({ report, range, measure, only, format }: SummaryProps) {
  const now = useNow();
  const days = daysOver(range, now);
  const perDay = days >= 1 ? report.total / days : null;
  const expected = useForecast(measure, only, now);
  return (
    <Facts
      of={[
        ['In all', format(report.total)],
        ...(perDay === null
          ? []
          : [['A day, on average', format(measure === 'spend' ? perDay : Math.round(perDay))] as const]),
        ...(expected === null
          ? []
          : [[`${month.format(now * 1_000)}, at this pace`, usdOfNumber(expected)] as const]),
      ].map(([name, value]) => [name, value])}
    />
  );
}

/** What this month's spend comes to by its end, whatever time is looked at. */
function useForecast(measure: Measure, only: Only, now: number): number | null {
  const spent = useReport({
    measure: 'spend',
    grouping: 'project_id',
    range: monthSoFar(now),
    only,
  });
  if (measure !== 'spend' || spent.data === undefined) return null;
  return forecast(spent.data.total, now);
}
