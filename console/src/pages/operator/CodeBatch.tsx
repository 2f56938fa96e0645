import { Button, Code, Group, Stack, Text, Title } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { useQuery } from '@tanstack/react-query';
import { api, data } from '../../api/client';
import { usePaged } from '../../api/paged';
import type { Schemas } from '../../api/types';
import { Confirm } from '../../ui/Confirm';
import { DataTable, type Column } from '../../ui/DataTable';
import { Facts } from '../../ui/Facts';
import { Money } from '../../ui/Money';
import { Paged } from '../../ui/Paged';
import { StateBadge } from '../../ui/StateBadge';
import { Answered } from '../../ui/States';
import { When } from '../../ui/When';
import { CODES, refreshCodes, type Batch } from './codes';
import { OrganizationLink } from './OrganizationLink';

type Use = Schemas['CodeUse'];

const COLUMNS: Column<Use>[] = [
  { name: 'When', cell: (use) => <When at={use.created_at} as="minute" /> },
  { name: 'Code', cell: ({ code_hint: hint }) => <Code>{hint}</Code> },
  { name: 'Organization', cell: (use) => <OrganizationLink id={use.organization_id} /> },
];

/** A batch of codes: its terms, and who used them. Codes themselves are shown once, when made. */
export function CodeBatch({ id }: { id: string }) {
  const batch = useQuery({
    queryKey: [...CODES, 'one', id],
    queryFn: ({ signal }) =>
      data(
        api.GET('/api/operator/code_batches/{batch_id}', {
          params: { path: { batch_id: id } },
          signal,
        }),
      ),
  });
  return <Answered query={batch}>{(found) => <Shown of={found} />}</Answered>;
}

function Shown({ of: batch }: { of: Batch }) {
  return (
    <Stack gap="lg">
      <Group justify="space-between">
        <Group gap="xs">
          <Text fw={600}>{batch.note}</Text>
          <StateBadge state={batch.state} />
        </Group>
        {batch.state === 'active' && <Revoke of={batch} />}
      </Group>
      <Facts
        of={[
          ['Each use gives', <Money key="amount" amount={batch.amount_usd} />],
          ['Codes', batch.code_count.toLocaleString()],
          ['Uses of each', batch.max_uses.toLocaleString()],
          ['Used', batch.use_count.toLocaleString()],
          ['Codes end', <When key="end" at={batch.expires_at} as="minute" />],
          ['Credit lapses', batch.credit_days ? `After ${batch.credit_days} days` : 'Never'],
          ['An organization', batch.once_per_organization ? 'Uses one of them' : 'Uses several'],
        ]}
      />
      <Uses batch={batch.id} />
    </Stack>
  );
}

function Revoke({ of: batch }: { of: Batch }) {
  const [isAsking, asking] = useDisclosure();
  return (
    <>
      <Button color="red" variant="light" onClick={asking.open}>
        Revoke
      </Button>
      <Confirm
        isOpen={isAsking}
        close={asking.close}
        title={`Revoke the codes of ${batch.note}?`}
        action="Revoke codes"
        typed={batch.note}
        act={async () => {
          await api.POST('/api/operator/code_batches/{batch_id}/disable', {
            params: { path: { batch_id: batch.id } },
          });
          await refreshCodes();
        }}
      >
        None of them gives anything from now on, for good. Credit that was given stays.
      </Confirm>
    </>
  );
}

function Uses({ batch }: { batch: string }) {
  const uses = usePaged<Use>({
    key: [...CODES, 'uses', batch],
    read: (place, signal) =>
      data(
        api.GET('/api/operator/code_batches/{batch_id}/uses', {
          params: { path: { batch_id: batch }, query: { limit: 50, order: 'desc', ...place } },
          signal,
        }),
      ),
  });
  return (
    <div>
      <Title order={3} size="h5" mb="xs">
        Who used them
      </Title>
      <Paged query={uses} empty={<Text size="sm">Nobody yet.</Text>}>
        {(rows) => <DataTable label="Uses" columns={COLUMNS} rows={rows} keyOf={(row) => row.id} />}
      </Paged>
    </div>
  );
}
