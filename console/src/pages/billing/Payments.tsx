import { Text } from '@mantine/core';
import { api, data } from '../../api/client';
import { usePaged } from '../../api/paged';
import type { Schemas } from '../../api/types';
import { DataTable, type Column } from '../../ui/DataTable';
import { Detail, DetailLink, useDetail } from '../../ui/Detail';
import { Money } from '../../ui/Money';
import { Paged } from '../../ui/Paged';
import { StateBadge } from '../../ui/StateBadge';
import { Empty } from '../../ui/States';
import { When } from '../../ui/When';
import { cardName } from './Methods';
import { PaymentDetail } from './PaymentDetail';
import { PAYMENT_KINDS } from './payment';

type Payment = Schemas['BillingPayment'];

const COLUMNS: Column<Payment>[] = [
  {
    name: 'What',
    cell: ({ id, kind }) => (
      <DetailLink name="payment" id={id}>
        {PAYMENT_KINDS[kind] ?? kind}
      </DetailLink>
    ),
  },
  { name: 'When', cell: (payment) => <When at={payment.created_at} as="minute" /> },
  { name: 'Card', cell: ({ card }) => (card ? cardName(card) : '') },
  { name: 'Charged', align: 'right', cell: (payment) => <Money amount={payment.total_usd} /> },
  {
    name: 'Went back',
    align: 'right',
    cell: ({ refunded_usd: back }) => (Number(back) > 0 ? <Money amount={back} /> : ''),
  },
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

/** Every payment that was begun, with what of it went back. */
export function Payments() {
  const shown = useDetail('payment');
  const payments = usePaged<Payment>({
    key: ['billing', 'payments'],
    read: (place, signal) =>
      data(
        api.GET('/api/billing/payments', {
          params: { query: { limit: 50, order: 'desc', ...place } },
          signal,
        }),
      ),
  });
  return (
    <>
      <Paged
        query={payments}
        empty={<Empty title="No payments yet" text="What you buy appears here." />}
      >
        {(rows) => (
          <DataTable label="Payments" columns={COLUMNS} rows={rows} keyOf={(row) => row.id} />
        )}
      </Paged>
      <Detail isOpen={shown.id !== undefined} close={shown.close} title="Payment">
        {shown.id !== undefined && <PaymentDetail id={shown.id} />}
      </Detail>
    </>
  );
}
