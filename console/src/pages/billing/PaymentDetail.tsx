import { Alert, Button, Code, Group, Stack, Text, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { api, data } from '../../api/client';
import { queryClient } from '../../api/queries';
import type { Schemas } from '../../api/types';
import { DataTable, type Column } from '../../ui/DataTable';
import { Facts } from '../../ui/Facts';
import { Money } from '../../ui/Money';
import { StateBadge } from '../../ui/StateBadge';
import { Answered } from '../../ui/States';
import { useAction } from '../../ui/useAction';
import { When } from '../../ui/When';
import { cardName } from './Methods';
import { OPEN_STATES, PAYMENT_KINDS } from './payment';

type Payment = Schemas['BillingPaymentDetail'];
type Refund = Schemas['BillingRefund'];

const REFUNDS: Column<Refund>[] = [
  { name: 'When', cell: (refund) => <When at={refund.created_at} as="minute" /> },
  { name: 'Credit', align: 'right', cell: (refund) => <Money amount={refund.amount_usd} /> },
  { name: 'Tax', align: 'right', cell: (refund) => <Money amount={refund.tax_usd} /> },
  { name: 'Why', cell: ({ reason }) => reason },
  {
    name: 'State',
    cell: ({ status, failure }) => (
      <div>
        <StateBadge state={status} />
        {failure && <Text size="xs">{failure}</Text>}
      </div>
    ),
  },
];

/** One payment of the organization. */
export function PaymentDetail({ id }: { id: string }) {
  const payment = useQuery({
    queryKey: ['billing', 'payments', id],
    queryFn: ({ signal }) =>
      data(
        api.GET('/api/billing/payments/{payment_id}', {
          params: { path: { payment_id: id } },
          signal,
        }),
      ),
  });
  return (
    <Answered query={payment}>
      {(found) => (
        <PaymentFacts of={found}>
          {found.kind === 'checkout' && OPEN_STATES.includes(found.status) && <Pay of={found} />}
        </PaymentFacts>
      )}
    </Answered>
  );
}

interface PaymentFactsProps {
  of: Payment;
  /** Facts that not everybody sees. */
  more?: [string, ReactNode][];
  /** What can be done about it. */
  children?: ReactNode;
}

const DISPUTES: Record<string, string> = {
  disputed: 'The bank holds the money back. What was left of the credit is gone until that is decided.',
  charged_back: 'The bank took the money back for good, and the credit with it.',
};

/** What there is to know of a payment: for the organization, and for operators. */
export function PaymentFacts({ of: payment, more = [], children }: PaymentFactsProps) {
  const { card, failure } = payment;
  const isTaxed = Number(payment.tax_usd) > 0;
  return (
    <Stack gap="lg">
      <Group justify="space-between">
        <Group gap="xs">
          <Text fw={600}>{PAYMENT_KINDS[payment.kind] ?? payment.kind}</Text>
          <StateBadge state={payment.status} />
        </Group>
        {children}
      </Group>
      {DISPUTES[payment.status] && <Alert color="red">{DISPUTES[payment.status]}</Alert>}
      {failure && <Alert color="red">{failure.message}</Alert>}
      <Facts
        of={[
          ['Credit', <Money key="credit" amount={payment.amount_usd} />],
          [
            isTaxed ? `Tax, ${payment.tax_percent} %` : 'Tax',
            <Money key="tax" amount={payment.tax_usd} />,
          ],
          ['Charged', <Money key="total" amount={payment.total_usd} />],
          ['Card', card ? cardName(card) : 'None yet'],
          ['Begun', <When key="begun" at={payment.created_at} as="minute" />],
          ['Over', <When key="over" at={payment.ended_at} as="minute" never="Not yet" />],
          ['By', payment.created_by ? <Code key="by">{payment.created_by}</Code> : 'Auto-recharge'],
          ...more,
        ]}
      />
      <div>
        <Title order={3} size="h5" mb="xs">
          What went back
        </Title>
        {payment.refunds.length === 0 ? (
          <Text size="sm">Nothing.</Text>
        ) : (
          <DataTable
            label="Refunds"
            columns={REFUNDS}
            rows={payment.refunds}
            keyOf={(row) => row.id}
          />
        )}
      </div>
      <Text size="sm" c="dimmed">
        <Code>{payment.id}</Code>
      </Text>
    </Stack>
  );
}

function Pay({ of: payment }: { of: Payment }) {
  const cancel = useAction(async () => {
    await api.POST('/api/billing/checkouts/{checkout_id}/cancel', {
      params: { path: { checkout_id: payment.id } },
    });
    await queryClient.invalidateQueries({ queryKey: ['billing'] });
  }, 'The order is called off.');
  return (
    <Group gap="xs">
      {payment.url && (
        <Button component="a" href={payment.url}>
          Pay
        </Button>
      )}
      <Button
        variant="default"
        loading={cancel.isRunning}
        onClick={() => {
          cancel.run();
        }}
      >
        Call off
      </Button>
    </Group>
  );
}
