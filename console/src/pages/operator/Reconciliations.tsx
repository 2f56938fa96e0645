import { Alert, Button, Code, Group, Select, Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { api, data } from '../../api/client';
import { usePaged } from '../../api/paged';
import type { Schemas } from '../../api/types';
import { DataTable, type Column } from '../../ui/DataTable';
import { Detail, DetailLink, useDetail } from '../../ui/Detail';
import { Facts } from '../../ui/Facts';
import { Money } from '../../ui/Money';
import { Paged } from '../../ui/Paged';
import { StateBadge } from '../../ui/StateBadge';
import { Answered, Empty } from '../../ui/States';
import { useAction } from '../../ui/useAction';
import { When } from '../../ui/When';
import { refreshPayments } from './payments';

type Comparison = Schemas['PaymentReconciliation'];
type Difference = Schemas['PaymentDifference'];

const REFRESH_MS = 3_000;
/** The server tells of no more. */
const MOST_DIFFERENCES = 1_000;

const SPANS = [
  { value: '', label: 'What was not compared yet' },
  { value: '7', label: 'The last 7 days' },
  { value: '31', label: 'The last 31 days' },
];

const COLUMNS: Column<Comparison>[] = [
  {
    name: 'Begun',
    cell: ({ id, begun_at: at }) => (
      <DetailLink name="comparison" id={id}>
        <When at={at} as="minute" />
      </DetailLink>
    ),
  },
  { name: 'State', cell: ({ state }) => <StateBadge state={state} /> },
  { name: 'From', cell: (row) => <When at={row.from} as="day" /> },
  { name: 'Until', cell: (row) => <When at={row.until} as="day" /> },
  { name: 'Movements', align: 'right', cell: (row) => row.movements.toLocaleString() },
  { name: 'Credited by it', align: 'right', cell: (row) => row.settled.toLocaleString() },
  { name: 'Differences', align: 'right', cell: (row) => row.differences.toLocaleString() },
];

/** Comparisons of the provider's books with ours, nightly and by hand. */
export function Reconciliations() {
  const [days, setDays] = useState('');
  const shown = useDetail('comparison');
  const compare = useAction(async () => {
    await api.POST('/api/operator/payments/reconciliations', {
      body: { days: days === '' ? null : Number(days) },
    });
    await refreshPayments();
  });
  const comparisons = usePaged<Comparison>({
    key: ['operator', 'payments', 'comparisons'],
    every: REFRESH_MS,
    read: (place, signal) =>
      data(
        api.GET('/api/operator/payments/reconciliations', {
          params: { query: { limit: 20, order: 'desc', ...place } },
          signal,
        }),
      ),
  });
  return (
    <>
      <Group align="flex-end" justify="flex-end">
        <Select
          label="Compare"
          data={SPANS}
          value={days}
          allowDeselect={false}
          onChange={(chosen) => {
            setDays(chosen ?? '');
          }}
        />
        <Button
          loading={compare.isRunning}
          onClick={() => {
            compare.run();
          }}
        >
          Compare now
        </Button>
      </Group>
      <Paged
        query={comparisons}
        empty={
          <Empty
            title="Nothing was compared yet"
            text="Every night, all that the provider took and gave back is held against our books."
          />
        }
      >
        {(rows) => (
          <DataTable label="Comparisons" columns={COLUMNS} rows={rows} keyOf={(row) => row.id} />
        )}
      </Paged>
      <Detail isOpen={shown.id !== undefined} close={shown.close} title="Comparison">
        {shown.id !== undefined && <One id={shown.id} />}
      </Detail>
    </>
  );
}

const PROBLEMS: Record<string, string> = {
  not_here: 'Nothing is known of it here',
  not_there: 'The provider does not know it',
  not_taken: 'It did not take the money',
  other_amount: 'Another amount',
  other_currency: 'Another currency',
  other_state: 'Another state',
};

const DIFFERENCES: Column<Difference>[] = [
  { name: 'What', cell: ({ kind }) => kind },
  { name: 'Problem', cell: ({ problem }) => PROBLEMS[problem] ?? problem.replaceAll('_', ' ') },
  {
    name: 'Here',
    align: 'right',
    cell: ({ ours_usd: ours }) => (ours ? <Money amount={ours} /> : 'Nothing'),
  },
  {
    name: 'There',
    align: 'right',
    cell: ({ theirs, currency }) => (theirs ? `${theirs} ${currency?.toUpperCase() ?? ''}` : 'Nothing'),
  },
  { name: 'Reference', cell: ({ reference }) => <Code>{reference}</Code> },
];

function One({ id }: { id: string }) {
  const comparison = useQuery({
    queryKey: ['operator', 'payments', 'comparisons', 'one', id],
    queryFn: ({ signal }) =>
      data(
        api.GET('/api/operator/payments/reconciliations/{reconciliation_id}', {
          params: { path: { reconciliation_id: id } },
          signal,
        }),
      ),
  });
  return (
    <Answered query={comparison}>
      {(found) => (
        <Stack gap="lg">
          <Facts
            of={[
              ['State', <StateBadge key="state" state={found.state} />],
              ['Provider', found.provider],
              ['Asked for by', found.user_id ? 'An operator' : 'The night'],
              ['From', <When key="from" at={found.from} as="minute" />],
              ['Until', <When key="until" at={found.until} as="minute" />],
              ['Movements looked at', found.movements.toLocaleString()],
              ['Credited by it', found.settled.toLocaleString()],
            ]}
          />
          {found.failure && <Alert color="red">{found.failure}</Alert>}
          {found.found.length > 0 ? (
            <DataTable
              label="Differences"
              columns={DIFFERENCES}
              rows={found.found}
              keyOf={({ kind, reference, problem }) => `${kind} ${reference} ${problem}`}
            />
          ) : (
            found.state === 'matched' && <Text size="sm">Both books say the same.</Text>
          )}
          {found.differences > MOST_DIFFERENCES && (
            <Text size="sm" c="dimmed">
              The first {MOST_DIFFERENCES.toLocaleString()} of {found.differences.toLocaleString()}.
            </Text>
          )}
        </Stack>
      )}
    </Answered>
  );
}
