import { Alert, Button, Code, Progress, Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { api, data } from '../../api/client';
import { queryClient } from '../../api/queries';
import type { Schemas } from '../../api/types';
import { Card } from '../../ui/Card';
import { DataTable } from '../../ui/DataTable';
import { Facts } from '../../ui/Facts';
import { Money } from '../../ui/Money';
import { Page } from '../../ui/Page';
import { Answered } from '../../ui/States';
import { useAction } from '../../ui/useAction';
import { When } from '../../ui/When';
import { StateBadge } from '../../ui/StateBadge';

const REFRESH_MS = 5_000;
const RUNNING_MS = 500;

/** The books: what they hold, whether they hold together, and the proof of it. */
export default function Ledger() {
  const ledger = useQuery({
    queryKey: ['operator', 'ledger'],
    queryFn: ({ signal }) => data(api.GET('/api/operator/ledger', { signal })),
    refetchInterval: ({ state }) =>
      state.data?.last_verification?.state === 'running' ? RUNNING_MS : REFRESH_MS,
  });
  const verify = useAction(async () => {
    await api.POST('/api/operator/ledger/verifications');
    await queryClient.invalidateQueries({ queryKey: ['operator', 'ledger'] });
  });
  const isRunning = ledger.data?.last_verification?.state === 'running';
  return (
    <Page
      title="Ledger"
      lead="Double entry: every amount left one account for another. Nothing is ever changed."
      actions={
        <Button
          loading={verify.isRunning || isRunning}
          onClick={() => {
            verify.run();
          }}
        >
          Prove the books
        </Button>
      }
    >
      <Answered query={ledger}>{(found) => <Books of={found} />}</Answered>
    </Page>
  );
}

function Books({ of: books }: { of: Schemas['OperatorLedger'] }) {
  return (
    <>
      {books.last_verification && <Proof of={books.last_verification} />}
      <Card title="Wallets">
        <Facts
          of={[
            ['Organizations', books.wallets.count],
            ['Balance in all', <Money key="balance" amount={books.wallets.balance_usd} />],
            ['Held', <Money key="held" amount={books.wallets.held_usd} />],
            ['Requests in flight', books.holds.count],
          ]}
        />
      </Card>
      <Card title="Accounts of the house">
        <DataTable
          label="Accounts of the house"
          rows={books.house}
          keyOf={(account) => account.id}
          columns={[
            { name: 'Account', cell: ({ id }) => <Code>{id}</Code> },
            { name: 'Debits', align: 'right', cell: (row) => <Money amount={row.debits_usd} /> },
            { name: 'Credits', align: 'right', cell: (row) => <Money amount={row.credits_usd} /> },
          ]}
        />
      </Card>
      <Card title="Chains" text="Keep a head elsewhere, and nothing up to it can change unnoticed.">
        <DataTable
          label="Chains"
          rows={books.heads}
          keyOf={(head) => head.chain}
          columns={[
            { name: 'Chain', cell: ({ chain }) => <Code>{chain}</Code> },
            { name: 'Batch', align: 'right', cell: ({ batch }) => batch },
            { name: 'Committed', cell: (head) => <When at={head.committed_at} /> },
            { name: 'Hash', cell: ({ hash }) => <Code title={hash}>{hash.slice(0, 16)}…</Code> },
          ]}
        />
      </Card>
    </>
  );
}

function Proof({ of: proof }: { of: Schemas['LedgerVerification'] }) {
  const isRunning = proof.state === 'running';
  return (
    <Card
      title="Last proof"
      text={<When at={proof.ended_at ?? proof.begun_at} />}
      actions={<StateBadge state={proof.state} />}
    >
      <Stack gap="sm">
        {isRunning && (
          <Progress
            value={proof.steps > 0 ? (100 * proof.steps_done) / proof.steps : 0}
            aria-label={`${proof.steps_done} of ${proof.steps} claims`}
          />
        )}
        {proof.state === 'failed' && (
          <Alert color="red" title="A claim does not hold">
            Run “farebox ledger verify” on the server: it says which, where, and by how much.
          </Alert>
        )}
        {!isRunning && (
          <Text size="sm">
            {proof.steps_done} of {proof.steps} claims were looked at.
          </Text>
        )}
      </Stack>
    </Card>
  );
}
