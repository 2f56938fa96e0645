import { Button, Code, Switch, Text, TextInput } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { api, data } from '../../api/client';
import { usePaged } from '../../api/paged';
import type { Schemas } from '../../api/types';
import { DataTable, type Column } from '../../ui/DataTable';
import { useApiForm } from '../../ui/form';
import { FormBody, FormModal } from '../../ui/FormModal';
import { decimal } from '../../ui/money';
import { Paged } from '../../ui/Paged';
import { Empty } from '../../ui/States';
import { When } from '../../ui/When';
import { refreshPayments } from './payments';

type Unmatched = Schemas['UnmatchedPayment'];

const PROBLEMS: Record<string, string> = {
  no_order: 'There is no such order',
  buys_nothing: 'Its order buys nothing',
  other_provider: 'Its order is for another provider',
  other_checkout: 'Its order is for another page',
  other_currency: 'Another currency than ordered',
  other_amount: 'Another amount than ordered',
  other_order: 'It pays another order already',
  paid_twice: 'Its order was paid before',
  too_much: 'More than an account can hold',
};

const COLUMNS: Column<Unmatched>[] = [
  { name: 'Seen', cell: (row) => <When at={row.seen_at} as="minute" /> },
  { name: 'Why', cell: ({ problem }) => PROBLEMS[problem] ?? problem.replaceAll('_', ' ') },
  {
    name: 'Amount',
    align: 'right',
    cell: ({ amount, currency }) => (
      <span style={{ whiteSpace: 'nowrap' }}>
        {decimal(amount)} {currency.toUpperCase()}
      </span>
    ),
  },
  { name: 'Charge', cell: ({ charge, provider }) => <Code title={provider}>{charge}</Code> },
  { name: 'What became of it', cell: (row) => <Resolution of={row} /> },
];

/** Money that a provider took and that matches no order: it credited nothing. */
export function UnmatchedPayments() {
  const { show }: { show?: string } = useSearch({ strict: false });
  const navigate = useNavigate();
  const isAll = show === 'all';
  const payments = usePaged<Unmatched>({
    key: ['operator', 'payments', 'unmatched', isAll],
    read: (place, signal) =>
      data(
        api.GET('/api/operator/unmatched_payments', {
          params: { query: { limit: 50, order: 'desc', ...place, ...(isAll && { show }) } },
          signal,
        }),
      ),
  });
  return (
    <>
      <Switch
        label="Also those that were dealt with"
        checked={isAll}
        onChange={(event) => {
          const shown = event.currentTarget.checked ? 'all' : undefined;
          void navigate({ to: '.', search: (before: object) => ({ ...before, show: shown }) });
        }}
      />
      <Paged
        query={payments}
        empty={<Empty title="All is accounted for" text="Every payment belongs to an order." />}
      >
        {(rows) => (
          <DataTable
            label="Without an order"
            columns={COLUMNS}
            rows={rows}
            keyOf={(row) => row.id}
          />
        )}
      </Paged>
    </>
  );
}

function Resolution({ of: unmatched }: { of: Unmatched }) {
  const [isOpen, opening] = useDisclosure();
  if (unmatched.resolution) {
    return (
      <div>
        {unmatched.resolution}
        <Text size="xs" c="dimmed">
          <When at={unmatched.resolved_at} />
        </Text>
      </div>
    );
  }
  return (
    <>
      <Button variant="default" size="compact-sm" onClick={opening.open}>
        Say what was done
      </Button>
      <FormModal isOpen={isOpen} close={opening.close} title="What was done?">
        <Resolve of={unmatched} close={opening.close} />
      </FormModal>
    </>
  );
}

function Resolve({ of: unmatched, close }: { of: Unmatched; close: () => void }) {
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
      await refreshPayments();
      close();
    },
  });
  return (
    <FormBody of={form} action="Save" close={close}>
      <TextInput
        label="Note"
        placeholder="Sent back at the provider on 3 May"
        data-autofocus
        {...form.form.getInputProps('resolution')}
      />
    </FormBody>
  );
}
