import { Button, Group, Select } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { api, data } from '../../api/client';
import { usePaged } from '../../api/paged';
import { queryClient } from '../../api/queries';
import type { Schemas } from '../../api/types';
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
  { name: 'To', cell: ({ to }) => to },
  { name: 'Message', cell: ({ template, channel }) => `${template.replaceAll('_', ' ')} (${channel})` },
  { name: 'State', cell: ({ state }) => <StateBadge state={state} /> },
  { name: 'Tries', align: 'right', cell: ({ tries }) => tries },
  { name: 'Why', cell: ({ reason }) => reason ?? '' },
  { name: 'Queued', cell: (job) => <When at={job.created_at} /> },
  { name: 'Actions', isNameHidden: true, align: 'right', cell: (row) => <Actions of={row} /> },
];

function Actions({ of: job }: { of: Job }) {
  const params = { path: { job_id: job.id } };
  const retry = useAction(async () => {
    await api.POST('/api/operator/jobs/{job_id}/retry', { params });
    await refresh();
  }, 'It is tried again.');
  const drop = useAction(async () => {
    await api.DELETE('/api/operator/jobs/{job_id}', { params });
    await refresh();
  });
  if (job.state !== 'dead') return null;
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
        Try again
      </Button>
      <Button
        variant="subtle"
        color="red"
        size="compact-sm"
        loading={drop.isRunning}
        onClick={() => {
          drop.run();
        }}
      >
        Drop
      </Button>
    </Group>
  );
}

/** The queue of mails and text messages, and those that were given up. */
export default function Jobs() {
  const [state, setState] = useState<string | null>(null);
  const counts = useQuery({
    queryKey: ['operator', 'jobs', 'counts'],
    queryFn: ({ signal }) => data(api.GET('/api/operator/job_counts', { signal })),
  });
  const jobs = usePaged<Job>({
    key: ['operator', 'jobs', state],
    read: (place, signal) =>
      data(
        api.GET('/api/operator/jobs', {
          params: { query: { limit: 50, ...place, ...(state && { state }) } },
          signal,
        }),
      ),
  });
  return (
    <Page title="Messages" lead="Mails and text messages on their way, and those that were given up.">
      <Card title="Queue">
        <Answered query={counts}>
          {({ mail, sms }) => (
            <Facts
              of={[
                ['Mails waiting', mail.waiting + mail.running],
                ['Mails given up', mail.dead],
                ['Text messages waiting', sms.waiting + sms.running],
                ['Text messages given up', sms.dead],
              ]}
            />
          )}
        </Answered>
      </Card>
      <Select
        label="State"
        placeholder="Any"
        data={STATES}
        value={state}
        clearable
        maw={200}
        onChange={setState}
      />
      <Paged query={jobs} empty={<Empty title="No messages" text="Nothing is in that state." />}>
        {(rows) => <DataTable label="Messages" columns={COLUMNS} rows={rows} keyOf={(row) => row.id} />}
      </Paged>
    </Page>
  );
}
