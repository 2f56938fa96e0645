import { Button, Text } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { IconUpload } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { api, data } from '../../api/client';
import type { Schemas } from '../../api/types';
import { Card } from '../../ui/Card';
import { DataTable, type Column } from '../../ui/DataTable';
import { FormModal } from '../../ui/FormModal';
import { Money } from '../../ui/Money';
import { useNow } from '../../ui/now';
import { SignedMoney } from '../../ui/SignedMoney';
import { Answered, Empty } from '../../ui/States';
import { titleOf } from '../usage/bars';
import { lastDays } from '../usage/range';
import { ImportCosts } from './ImportCosts';

type Row = Schemas['UpstreamDrift'] & { start: number };

const DAYS = 31;

const COLUMNS: Column<Row>[] = [
  { name: 'Day', cell: ({ start }) => titleOf(start, 'day') },
  { name: 'Upstream', cell: (row) => row.upstream_id },
  { name: 'Model', cell: ({ model }) => model ?? 'All' },
  { name: 'We think', align: 'right', cell: (row) => <Money amount={row.ours_usd} /> },
  { name: 'They say', align: 'right', cell: (row) => <Money amount={row.theirs_usd} /> },
  {
    name: 'Difference',
    align: 'right',
    cell: ({ difference_usd: amount, difference_percent: percent }) => (
      <>
        <SignedMoney amount={amount} isNeutral />
        {percent && ` (${percent} %)`}
      </>
    ),
  },
  { name: 'Verdict', cell: ({ is_tolerated: isTolerated }) => <Verdict of={isTolerated} /> },
];

function Verdict({ of: isTolerated }: { of: boolean | null | undefined }) {
  if (isTolerated === null || isTolerated === undefined) return null;
  return (
    <Text span inherit c={isTolerated ? 'inherit' : 'var(--farebox-bad)'}>
      {isTolerated ? 'Let pass' : 'Too far off'}
    </Text>
  );
}

/** What upstreams say they are owed, beside what our books say. */
export function Drifts() {
  const [isImporting, importing] = useDisclosure();
  const { start, end } = lastDays(DAYS, useNow());
  const drifts = useQuery({
    queryKey: ['operator', 'drifts', start, end],
    queryFn: ({ signal }) =>
      data(
        api.GET('/api/operator/upstream_drifts', {
          params: { query: { start_time: start, end_time: end, limit: DAYS } },
          signal,
        }),
      ),
  });
  return (
    <Card
      title={`Upstreams’ bills of ${DAYS} days`}
      text="A day that is over and off by more than 5 % and more than $1 is mailed to every operator."
      actions={
        <Button
          variant="default"
          leftSection={<IconUpload size={16} />}
          onClick={importing.open}
        >
          Import costs
        </Button>
      }
    >
      <Answered query={drifts}>
        {(found) => {
          const rows = found.data
            .toReversed()
            .flatMap(({ start_time: day, results }) => results.map((row) => ({ ...row, start: day })));
          return rows.length === 0 ? (
            <Empty
              title="No upstream told its costs"
              text="Import what OpenAI’s costs API answers, and see whether it agrees with the costs in farebox.toml."
            />
          ) : (
            <DataTable
              label="Upstreams’ bills"
              columns={COLUMNS}
              rows={rows}
              keyOf={(row) => `${row.start} ${row.upstream_id} ${row.model ?? ''}`}
            />
          );
        }}
      </Answered>
      <FormModal isOpen={isImporting} close={importing.close} title="Import costs" size="lg">
        <ImportCosts close={importing.close} />
      </FormModal>
    </Card>
  );
}
