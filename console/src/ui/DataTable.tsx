import { Table, VisuallyHidden } from '@mantine/core';
import type { ReactNode } from 'react';
import classes from './DataTable.module.css';

export interface Column<Row> {
  /** The head of the column; read aloud even where it is hidden. */
  name: string;
  isNameHidden?: boolean;
  align?: 'left' | 'right';
  cell: (row: Row) => ReactNode;
}

interface DataTableProps<Row> {
  /** What the table lists, for people who hear the page. */
  label: string;
  columns: Column<Row>[];
  rows: Row[];
  keyOf: (row: Row) => string;
}

/** Rows of things. On a phone every row is a card, and each cell says what it is. */
export function DataTable<Row>({ label, columns, rows, keyOf }: DataTableProps<Row>) {
  return (
    <div className={classes.frame}>
      <Table aria-label={label} className={classes.table} verticalSpacing="sm" highlightOnHover>
        <Table.Thead>
          <Table.Tr>
            {columns.map(({ name, isNameHidden, align = 'left' }) => (
              <Table.Th key={name} scope="col" style={{ textAlign: align }}>
                {isNameHidden ? <VisuallyHidden>{name}</VisuallyHidden> : name}
              </Table.Th>
            ))}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {rows.map((row) => (
            <Table.Tr key={keyOf(row)}>
              {columns.map(({ name, isNameHidden, align = 'left', cell }) => (
                <Table.Td
                  key={name}
                  data-name={isNameHidden ? undefined : name}
                  data-align={align}
                  className={classes.cell}
                >
                  <div className={classes.value}>{cell(row)}</div>
                </Table.Td>
              ))}
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </div>
  );
}
