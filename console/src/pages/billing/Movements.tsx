import { Button } from '@mantine/core';
import { IconDownload } from '@tabler/icons-react';
import { api, data } from '../../api/client';
import { usePaged } from '../../api/paged';
import type { Schemas } from '../../api/types';
import { DataTable, type Column } from '../../ui/DataTable';
import { ListWith } from '../../ui/List';
import { Money } from '../../ui/Money';
import { Paged } from '../../ui/Paged';
import { Empty } from '../../ui/States';
import { When } from '../../ui/When';

type Movement = Schemas['BillingMovement'];

const WORDS: Record<string, string> = {
  usage: 'Usage of a day',
  grant: 'Granted',
  purchase: 'Purchased',
  adjustment: 'Corrected by the operator',
  refund: 'Refunded',
  expiry: 'Expired',
  dispute: 'Disputed at the bank',
  dispute_won: 'Dispute won',
  overdraft: 'Overdraft granted',
  overdraft_ended: 'Overdraft ended',
};

const COLUMNS: Column<Movement>[] = [
  { name: 'When', cell: (movement) => <When at={movement.created_at} as="day" /> },
  {
    name: 'What',
    cell: ({ kind, request_count: requests }) =>
      `${WORDS[kind] ?? kind}${requests ? `, ${requests.toLocaleString()} requests` : ''}`,
  },
  { name: 'Why', cell: ({ reason }) => reason ?? '' },
  { name: 'Amount', align: 'right', cell: (movement) => <Money amount={movement.amount_usd} /> },
  {
    name: 'Balance after',
    align: 'right',
    cell: ({ balance_after_usd: after }) => (after ? <Money amount={after} /> : ''),
  },
];

/** Everything that moved the balance. */
export function Movements() {
  const movements = usePaged<Movement>({
    key: ['billing', 'movements'],
    read: (place, signal) =>
      data(
        api.GET('/api/billing/movements', { params: { query: { limit: 50, ...place } }, signal }),
      ),
  });
  return (
    <ListWith
      actions={
        <Button
          component="a"
          href="/api/billing/exports/movements"
          variant="default"
          leftSection={<IconDownload size={16} />}
        >
          Download CSV
        </Button>
      }
    >
      <Paged
        query={movements}
        empty={<Empty title="Nothing moved yet" text="Credit and usage appear here." />}
      >
        {(rows) => (
          <DataTable label="Movements" columns={COLUMNS} rows={rows} keyOf={(row) => row.id} />
        )}
      </Paged>
    </ListWith>
  );
}
