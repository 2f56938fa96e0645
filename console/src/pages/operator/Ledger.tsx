import { Alert, Button, Code, List, Progress, Stack, Text } from '@mantine/core';
import { IconCheck, IconX } from '@tabler/icons-react';
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
import { reportOf, type Report } from './report';

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
            ['They hold', <Money key="holds" amount={books.holds.amount_usd} />],
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
      <Card title="Nodes" text="The servers that write to this ledger.">
        <DataTable
          label="Nodes"
          rows={books.nodes}
          keyOf={({ id }) => id}
          columns={[
            { name: 'Node', cell: ({ id }) => <Code>{id}</Code> },
            { name: 'Started', cell: (node) => <When at={node.started_at} /> },
            { name: 'Epoch', align: 'right', cell: ({ epoch }) => epoch },
            { name: 'Change heard of', align: 'right', cell: ({ heard }) => heard },
            {
              name: 'Leases until',
              cell: (node) => <When at={node.expires_at} never="It is the only one" />,
            },
          ]}
        />
      </Card>
    </>
  );
}

const ENDS: Record<string, string> = {
  failed: 'The database could not be read to the end.',
  given_up: 'The server that worked on it ended. Begin another.',
};

function Proof({ of: proof }: { of: Schemas['LedgerVerification'] }) {
  const isRunning = proof.state === 'running';
  const report = reportOf(proof);
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
            aria-label={`${proof.steps_done} of ${proof.steps} steps`}
          />
        )}
        {ENDS[proof.state] && <Alert color="red">{ENDS[proof.state]}</Alert>}
        {report && <Claims of={report} />}
      </Stack>
    </Card>
  );
}

function Claims({ of: report }: { of: Report }) {
  const broken = report.checks.filter(({ violations }) => violations.length > 0);
  return (
    <>
      <Text size="sm">
        {report.checks.length} claims about {report.transfers.toLocaleString()} transfers and{' '}
        {report.usage_records.toLocaleString()} usage records
        {broken.length === 0 ? ': all of them hold.' : `: ${broken.length} do not hold.`}
      </Text>
      {broken.map(({ name, claim, violations }) => (
        <Alert key={name} color="red" title={`Broken: ${claim}`}>
          <Code block tabIndex={0} aria-label={`What breaks ${name}`}>
            {violations.map((one) => JSON.stringify(one)).join('\n')}
          </Code>
        </Alert>
      ))}
      <details>
        <summary>Every claim</summary>
        <List size="sm" mt="xs" spacing={4}>
          {report.checks.map(({ name, claim, violations }) => (
            <List.Item
              key={name}
              icon={
                violations.length === 0 ? (
                  <IconCheck size={16} role="img" aria-label="Holds" color="var(--farebox-good)" />
                ) : (
                  <IconX size={16} role="img" aria-label="Broken" color="var(--farebox-bad)" />
                )
              }
            >
              {claim}
            </List.Item>
          ))}
        </List>
      </details>
    </>
  );
}
