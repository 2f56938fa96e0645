import { Button, Text, TextInput } from '@mantine/core';
import { useState } from 'react';
import { api, data } from '../../api/client';
import { usePaged } from '../../api/paged';
import { queryClient } from '../../api/queries';
import type { Schemas } from '../../api/types';
import { Choices } from '../../ui/Choices';
import { DataTable, type Column } from '../../ui/DataTable';
import { useApiForm } from '../../ui/form';
import { FormBody, FormModal } from '../../ui/FormModal';
import { Money } from '../../ui/Money';
import { Page } from '../../ui/Page';
import { Paged } from '../../ui/Paged';
import { Empty } from '../../ui/States';
import { StateBadge } from '../../ui/StateBadge';
import { When } from '../../ui/When';
import { amountProblem } from '../limits/amount';

type Payment = Schemas['OperatorPayment'];
type Unmatched = Schemas['UnmatchedPayment'];

const refresh = () => queryClient.invalidateQueries({ queryKey: ['operator', 'payments'] });

const COLUMNS: Column<Payment>[] = [
  { name: 'When', cell: (payment) => <When at={payment.created_at} as="minute" /> },
  { name: 'Organization', cell: (payment) => payment.organization_id },
  { name: 'What', cell: ({ kind }) => kind },
  { name: 'Total', align: 'right', cell: (payment) => <Money amount={payment.total_usd} /> },
  { name: 'Refunded', align: 'right', cell: (payment) => <Money amount={payment.refunded_usd} /> },
  { name: 'State', cell: ({ status }) => <StateBadge state={status} /> },
  { name: 'Actions', isNameHidden: true, align: 'right', cell: (row) => <Refund of={row} /> },
];

/** What was paid, in every organization, and money that belongs to no order. */
export default function Payments() {
  return (
    <Page title="Payments" lead="What was paid by card, and what came in without an order.">
      <Choices
        label="Payments"
        choices={[
          { id: 'payments', name: 'Payments', view: <AllPayments /> },
          { id: 'unmatched', name: 'Without an order', view: <UnmatchedPayments /> },
        ]}
      />
    </Page>
  );
}

function AllPayments() {
  const payments = usePaged<Payment>({
    key: ['operator', 'payments', 'list'],
    read: (place, signal) =>
      data(api.GET('/api/operator/payments', { params: { query: { limit: 50, ...place } }, signal })),
  });
  return (
    <Paged query={payments} empty={<Empty title="No payments" text="Nobody has paid by card yet." />}>
      {(rows) => <DataTable label="Payments" columns={COLUMNS} rows={rows} keyOf={(row) => row.id} />}
    </Paged>
  );
}

function Refund({ of: payment }: { of: Payment }) {
  const [isOpen, setIsOpen] = useState(false);
  const close = () => {
    setIsOpen(false);
  };
  if (payment.status !== 'succeeded') return null;
  return (
    <>
      <Button
        variant="default"
        size="compact-sm"
        onClick={() => {
          setIsOpen(true);
        }}
      >
        Refund
      </Button>
      <FormModal isOpen={isOpen} close={close} title="Refund">
        <RefundForm of={payment} close={close} />
      </FormModal>
    </>
  );
}

function RefundForm({ of: payment, close }: { of: Payment; close: () => void }) {
  // One key for one dialog: pressing twice refunds once.
  const [key] = useState(() => `console-${crypto.randomUUID()}`);
  const form = useApiForm({
    initialValues: { amount_usd: payment.amount_usd, reason: '' },
    validate: {
      amount_usd: amountProblem,
      reason: (reason) => (reason.trim() ? null : 'Say why; the books keep it.'),
    },
    said: 'The refund is on its way.',
    send: ({ amount_usd, reason }) =>
      data(
        api.POST('/api/operator/payments/{payment_id}/refunds', {
          params: { path: { payment_id: payment.id } },
          body: { amount_usd: amount_usd.trim(), reason: reason.trim(), key },
        }),
      ),
    onSent: async () => {
      await refresh();
      close();
    },
  });
  const { getInputProps } = form.form;
  return (
    <FormBody of={form} action="Refund" close={close}>
      <Text size="sm">At most what of this purchase is not spent. Its tax goes back in proportion.</Text>
      <TextInput label="Amount in USD" inputMode="decimal" {...getInputProps('amount_usd')} />
      <TextInput label="Why" {...getInputProps('reason')} />
    </FormBody>
  );
}

const UNMATCHED: Column<Unmatched>[] = [
  { name: 'When', cell: (row) => <When at={row.seen_at} as="minute" /> },
  { name: 'Provider', cell: ({ provider }) => provider },
  { name: 'Why', cell: ({ problem }) => problem.replaceAll('_', ' ') },
  { name: 'Amount', align: 'right', cell: ({ amount, currency }) => `${amount} ${currency}` },
  { name: 'Charge', cell: ({ charge }) => charge },
  { name: 'Actions', isNameHidden: true, align: 'right', cell: (row) => <Resolve of={row} /> },
];

function UnmatchedPayments() {
  const payments = usePaged<Unmatched>({
    key: ['operator', 'payments', 'unmatched'],
    read: (place, signal) =>
      data(
        api.GET('/api/operator/unmatched_payments', {
          params: { query: { limit: 50, ...place } },
          signal,
        }),
      ),
  });
  return (
    <Paged
      query={payments}
      empty={<Empty title="All is accounted for" text="Every payment belongs to an order." />}
    >
      {(rows) => (
        <DataTable label="Without an order" columns={UNMATCHED} rows={rows} keyOf={(row) => row.id} />
      )}
    </Paged>
  );
}

function Resolve({ of: unmatched }: { of: Unmatched }) {
  const [isOpen, setIsOpen] = useState(false);
  const close = () => {
    setIsOpen(false);
  };
  const form = useApiForm({
    initialValues: { resolution: '' },
    validate: { resolution: (text) => (text.trim() ? null : 'Say what was done.') },
    send: ({ resolution }) =>
      data(
        api.POST('/api/operator/unmatched_payments/{unmatched_payment_id}/resolve', {
          params: { path: { unmatched_payment_id: unmatched.id } },
          body: { resolution: resolution.trim() },
        }),
      ),
    onSent: async () => {
      await refresh();
      close();
    },
  });
  return (
    <>
      <Button
        variant="default"
        size="compact-sm"
        onClick={() => {
          setIsOpen(true);
        }}
      >
        Done with it
      </Button>
      <FormModal isOpen={isOpen} close={close} title="What was done?">
        <FormBody of={form} action="Save" close={close}>
          <TextInput label="Note" data-autofocus {...form.form.getInputProps('resolution')} />
        </FormBody>
      </FormModal>
    </>
  );
}
