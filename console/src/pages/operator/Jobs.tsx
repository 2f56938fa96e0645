import { Button, Group, Select, Text } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { useQuery } from '@tanstack/react-query';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { api, data } from '../../api/client';
import { usePaged } from '../../api/paged';
import { queryClient } from '../../api/queries';
import type { Schemas } from '../../api/types';
import { Confirm } from '../../ui/Confirm';
import { DataTable, type Column } from '../../ui/DataTable';
import { Facts } from '../../ui/Facts';
import { Card } from '../../ui/Card';
import { Page } from '../../ui/Page';
import { Paged } from '../../ui/Paged';
import { Answered, Empty } from '../../ui/States';
import { useAction } from '../../ui/useAction';
import { When } from '../../ui/When';
import { StateBadge } from '../../ui/StateBadge';

type Job = Schemas['OperatorJob'];

const refresh = () => queryClient.invalidateQueries({ queryKey: ['operator', 'jobs'] });

const STATES = ['waiting', 'running', 'done', 'dead'];

const COLUMNS: Column<Job>[] = [
  {
    name: 'Message',
    cell: ({ to, template, channel }) => (
      <div style={{ overflowWrap: 'anywhere' }}>
        {to}
        <Text size="xs" c="dimmed">
          {template === channel ? template : `${template.replaceAll('_', ' ')}, ${channel}`}
        </Text>
      </div>
    ),
  },
  {
    name: 'State',
    cell: ({ state, reason }) => (
      <div>
        <StateBadge state={state} />
        {reason && (
          <Text size="xs" c="dimmed">
            {reason}
          </Text>
        )}
      </div>
    ),
  },
  { name: 'Tries', align: 'right', cell: ({ tries }) => tries },
  { name: 'Queued', cell: (job) => <When at={job.created_at} /> },
  {
    name: 'Next try',
    cell: ({ state, due_at: due }) => (state === 'waiting' ? <When at={due} /> : ''),
  },
  { name: 'Actions', isNameHidden: true, align: 'right', cell: (row) => <Actions of={row} /> },
];

function Actions({ of: job }: { of: Job }) {
  const params = { path: { job_id: job.id } };
  const retry = useAction(async () => {
    await api.POST('/api/operator/jobs/{job_id}/retry', { params });
    await refresh();
  }, 'It is tried again.');
  const [isAsking, asking] = useDisclosure();
  const drop = async () => {
    await api.DELETE('/api/operator/jobs/{job_id}', { params });
    await refresh();
  };
  if (job.state !== 'dead' && job.state !== 'waiting') return null;
  return (
    <Group gap="xs" justify="flex-end" wrap="nowrap">
      <Button
        variant="default"
        size="compact-sm"
        loading={retry.isRunning}
        onClick={() => {
          retry.run();
        }}
      >
        {job.state === 'dead' ? 'Try again' : 'Try now'}
      </Button>
      <Button
        variant="subtle"
        color="red"
        size="compact-sm"
        onClick={asking.open}
      >
        Drop
      </Button>
      <Confirm
        isOpen={isAsking}
        close={asking.close}
        title={`Drop the message to ${job.to}?`}
        action="Drop message"
        act={drop}
      >
        It is never sent.
      </Confirm>
    </Group>
  );
}

/** The queue of messages, and those that were given up. */
export default function Jobs() {
  const { state }: { state?: string } = useSearch({ strict: false });
  const navigate = useNavigate();
  const counts = useQuery({
    queryKey: ['operator', 'jobs', 'counts'],
    queryFn: ({ signal }) => data(api.GET('/api/operator/job_counts', { signal })),
  });
  const jobs = usePaged<Job>({
    key: ['operator', 'jobs', state],
    read: (place, signal) =>
      data(
        api.GET('/api/operator/jobs', {
          params: { query: { limit: 50, order: 'desc', ...place, ...(state && { state }) } },
          signal,
        }),
      ),
  });
  return (
    <Page title="Messages" lead="Mails, text messages and webhooks on their way, and those that were given up.">
      <Card title="Queue">
        <Answered query={counts}>
          {({ mail, sms, webhook }) => (
            <Facts
              of={[
                ['Mails waiting', mail.waiting + mail.running],
                ['Mails given up', mail.dead],
                ['Text messages waiting', sms.waiting + sms.running],
                ['Text messages given up', sms.dead],
                ['Webhooks waiting', webhook.waiting + webhook.running],
                ['Webhooks given up', webhook.dead],
              ]}
            />
          )}
        </Answered>
      </Card>
      <Select
        label="State"
        placeholder="Any"
        data={STATES}
        value={state ?? null}
        clearable
        maw={200}
        onChange={(chosen) => {
          const search = (before: object) => ({ ...before, state: chosen ?? undefined });
          void navigate({ to: '.', search });
        }}
      />
      <Paged query={jobs} empty={<Empty title="No messages" text="Nothing is in that state." />}>
        {(rows) => <DataTable label="Messages" columns={COLUMNS} rows={rows} keyOf={(row) => row.id} />}
      </Paged>
    </Page>
  );
}
