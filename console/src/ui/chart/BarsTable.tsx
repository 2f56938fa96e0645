import { Table } from '@mantine/core';
import classes from './chart.module.css';
import type { Bar, Series } from './StackedBars';

interface BarsTableProps {
  label: string;
  /** What a bar is: the head of the first column. */
  unit: string;
  bars: Bar[];
  series: Series[];
  format: (value: number) => string;
}

/** The chart in numbers, for those who do not see it and those who want to read them. */
export function BarsTable({ label, unit, bars, series, format }: BarsTableProps) {
  return (
    <details className={classes.details}>
      <summary>The chart as a table</summary>
      {/* Focusable, because a keyboard must be able to scroll what does not fit. */}
      <div className={classes.scroll} tabIndex={0} role="region" aria-label={label}>
        <Table aria-label={label} className={classes.numbers} withRowBorders stickyHeader>
          <Table.Thead>
            <Table.Tr>
              <Table.Th scope="col">{unit}</Table.Th>
              {series.map(({ id, name }) => (
                <Table.Th key={id} scope="col">
                  {name}
                </Table.Th>
              ))}
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {bars.map(({ id, title, values, isPartial }) => (
              <Table.Tr key={id}>
                <Table.Th scope="row">
                  {title}
                  {isPartial && ', so far'}
                </Table.Th>
                {series.map((one) => (
                  <Table.Td key={one.id}>{format(values[one.id] ?? 0)}</Table.Td>
                ))}
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </div>
    </details>
  );
}
