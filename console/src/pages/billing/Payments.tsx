import { Text } from '@mantine/core';
import { api, data } from '../../api/client';
import { usePaged } from '../../api/paged';
import type { Schemas } from '../../api/types';
import { DataTable, type Column } from '../../ui/DataTable';
import { Money } from '../../ui/Money';
import { Paged } from '../../ui/Paged';
import { Empty } from '../../ui/States';
import { When } from '../../ui/When';
import { StateBadge } from '../../ui/StateBadge';
import { cardName } from './Methods';

type Payment = Schemas['BillingPayment'];

const KINDS: Record<string, string> = {
  checkout: 'Purchase',
  recharge: 'Auto-recharge',
  setup: 'Card saved',
};

const COLUMNS: Column<Payment>[] = [
  { name: 'When', cell: (payment) => <When at={payment.created_at} as="minute" /> },
  { name: 'What', cell: ({ kind }) => KINDS[kind] ?? kind },
  { name: 'Card', cell: ({ card }) => (card ? cardName(card) : '') },
  { name: 'Amount', align: 'right', cell: (payment) => <Money amount={payment.total_usd} /> },
  {
    name: 'State',
    cell: ({ status, failure }) => (
      <div>
        <StateBadge state={status} />
        {failure && (
          <Text size="xs" c="dimmed">
            {failure.message}
          </Text>
        )}
      </div>
    ),
  },
];

/** Every payment that was begun. */
export function Payments() {
  const payments = usePaged<Payment>({
    key: ['billing', 'payments'],
    read: (place, signal) =>
      data(api.GET('/api/billing/payments', { params: { query: { limit: 50, ...place } }, signal })),
  });
  return (
    <Paged
      query={payments}
      empty={<Empty title="No payments yet" text="What you buy appears here." />}
    >
      {(rows) => <DataTable label="Payments" columns={COLUMNS} rows={rows} keyOf={(row) => row.id} />}
    </Paged>
  );
}
