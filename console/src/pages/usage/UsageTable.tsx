import { DataTable, type Column } from '../../ui/DataTable';
import type { Report } from './report';

interface UsageTableProps {
  report: Report;
  nameOf: (series: string) => string;
  format: (value: number) => string;
}

interface Line {
  series: string;
  total: number;
}

/** What each series comes to. */
export function UsageTable({ report, nameOf, format }: UsageTableProps) {
  const lines = report.series.map((series) => ({
    series,
    total: report.days.reduce((sum, { values }) => sum + (values[series] ?? 0), 0),
  }));
  const columns: Column<Line>[] = [
    { name: 'Series', cell: ({ series }) => nameOf(series) },
    { name: 'Total', align: 'right', cell: ({ total }) => format(total) },
    {
      name: 'Share',
      align: 'right',
      cell: ({ total }) =>
        report.total > 0 ? `${Math.round((total / report.total) * 100)} %` : '0 %',
    },
  ];
  return <DataTable label="Totals" columns={columns} rows={lines} keyOf={({ series }) => series} />;
}
