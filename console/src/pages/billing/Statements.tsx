import { api, data } from '../../api/client';
import { usePaged } from '../../api/paged';
import type { Schemas } from '../../api/types';
import { Card } from '../../ui/Card';
import { DataTable, type Column } from '../../ui/DataTable';
import { Money } from '../../ui/Money';
import { Paged } from '../../ui/Paged';
import { Empty } from '../../ui/States';
import { Papers } from './Receipts';

type Statement = Schemas['BillingStatementSummary'];

const COLUMNS: Column<Statement>[] = [
  { name: 'Month', cell: ({ id, is_final: isFinal }) => (isFinal ? id : `${id}, so far`) },
  { name: 'Opening', align: 'right', cell: (row) => <Money amount={row.opening_usd} /> },
  { name: 'Closing', align: 'right', cell: (row) => <Money amount={row.closing_usd} /> },
  {
    name: 'Papers',
    isNameHidden: true,
    align: 'right',
    cell: ({ id }) => (
      <Papers
        html={`/api/billing/statements/${id}.html`}
        pdf={`/api/billing/statements/${id}.pdf`}
        name={`the statement of ${id}`}
      />
    ),
  },
];

/** What each month began with, ended with, and why. */
export function Statements() {
  const statements = usePaged<Statement>({
    key: ['billing', 'statements'],
    read: (place, signal) =>
      data(
        api.GET('/api/billing/statements', { params: { query: { limit: 12, ...place } }, signal }),
      ),
  });
  return (
    <Card title="Statements" text="A month each (UTC), equal to the ledger to the nano-dollar.">
      <Paged query={statements} empty={<Empty title="None yet" text="The first month is not over." />}>
        {(rows) => (
          <DataTable label="Statements" columns={COLUMNS} rows={rows} keyOf={(row) => row.id} />
        )}
      </Paged>
    </Card>
  );
}
