import { Anchor } from '@mantine/core';
import { DataTable, type Column } from '../../ui/DataTable';
import type { Report } from './report';

interface UsageTableProps {
  report: Report;
  /** What a series is, as "Model". */
  kind: string;
  nameOf: (series: string) => string;
  format: (value: number) => string;
  /** Looks into one series; null where there is nothing more in it. */
  lookInto: (series: string) => (() => void) | null;
}

/** What each series comes to; a click looks into it. */
export function UsageTable({ report, kind, nameOf, format, lookInto }: UsageTableProps) {
  const totalOf = (series: string) => report.totals[series] ?? 0;
  const share = (series: string) =>
    report.total > 0 ? `${Math.round((totalOf(series) / report.total) * 100)} %` : '0 %';
  const columns: Column<string>[] = [
    {
      name: kind,
      cell: (series) => {
        const look = lookInto(series);
        if (!look) return nameOf(series);
        return (
          <Anchor component="button" type="button" size="sm" ta="start" onClick={look}>
            {nameOf(series)}
          </Anchor>
        );
      },
    },
    { name: 'Total', align: 'right', cell: (series) => format(totalOf(series)) },
    { name: 'Share', align: 'right', cell: share },
  ];
  return (
    <DataTable label="Totals" columns={columns} rows={report.series} keyOf={(series) => series} />
  );
}
