import { Select } from '@mantine/core';
import { useNavigate, useSearch } from '@tanstack/react-router';
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
import { PAYMENT_KINDS } from '../billing/payment';
import { OrganizationLink } from './OrganizationLink';
import { Payment } from './Payment';

type Row = Schemas['OperatorPayment'];

const STATES = ['open', 'processing', 'succeeded', 'failed', 'cancelled', 'expired'];

const COLUMNS: Column<Row>[] = [
  {
    name: 'What',
    cell: ({ id, kind }) => (
      <DetailLink name="payment" id={id}>
        {PAYMENT_KINDS[kind] ?? kind}
      </DetailLink>
    ),
  },
  { name: 'Organization', cell: (payment) => <OrganizationLink id={payment.organization_id} /> },
  { name: 'When', cell: (payment) => <When at={payment.created_at} as="minute" /> },
  { name: 'Charged', align: 'right', cell: (payment) => <Money amount={payment.total_usd} /> },
  {
    name: 'Went back',
    align: 'right',
    cell: ({ refunded_usd: back }) => (Number(back) > 0 ? <Money amount={back} /> : ''),
  },
  { name: 'State', cell: ({ status }) => <StateBadge state={status} /> },
];

/** The payments of all organizations; the address says in which state. */
export function AllPayments() {
  const { state }: { state?: string } = useSearch({ strict: false });
  const navigate = useNavigate();
  const shown = useDetail('payment');
  const payments = usePaged<Row>({
    key: ['operator', 'payments', 'list', state],
    read: (place, signal) =>
      data(
        api.GET('/api/operator/payments', {
          params: { query: { limit: 50, order: 'desc', ...place, ...(state && { state }) } },
          signal,
        }),
      ),
  });
  return (
    <>
      <Select
        label="State"
        placeholder="Any"
        clearable
        data={STATES}
        value={state ?? null}
        maw={220}
        onChange={(chosen) => {
          const search = (before: object) => ({ ...before, state: chosen ?? undefined });
          void navigate({ to: '.', search });
        }}
      />
      <Paged
        query={payments}
        empty={
          state ? (
            <Empty title="None is in that state" text="Choose another, or any." />
          ) : (
            <Empty title="No payments" text="Nobody has paid by card yet." />
          )
        }
      >
        {(rows) => (
          <DataTable label="Payments" columns={COLUMNS} rows={rows} keyOf={(row) => row.id} />
        )}
      </Paged>
      <Detail isOpen={shown.id !== undefined} close={shown.close} title="Payment">
        {shown.id !== undefined && <Payment id={shown.id} />}
      </Detail>
    </>
  );
}
