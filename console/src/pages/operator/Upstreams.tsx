import { Button, Group, Text } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { api, data } from '../../api/client';
import { usePaged } from '../../api/paged';
import type { Schemas } from '../../api/types';
import { Card } from '../../ui/Card';
import { Facts } from '../../ui/Facts';
import { Page } from '../../ui/Page';
import { Paged } from '../../ui/Paged';
import { Empty } from '../../ui/States';
import { useAction } from '../../ui/useAction';
import { When } from '../../ui/When';
import { StateBadge } from '../../ui/StateBadge';

type Upstream = Schemas['Upstream'];

const REFRESH_MS = 5_000;

const ms = (us: number | null | undefined) =>
  us === null || us === undefined ? 'Unknown' : `${Math.round(us / 1_000)} ms`;

/** The servers behind this one, as its requests find them. */
export default function Upstreams() {
  const upstreams = usePaged<Upstream>({
    key: ['operator', 'upstreams'],
    every: REFRESH_MS,
    read: (place, signal) =>
      data(api.GET('/api/operator/upstreams', { params: { query: { limit: 50, ...place } }, signal })),
  });
  return (
    <Page title="Upstreams" lead="The servers that run models, as requests of this node find them.">
      <Paged
        query={upstreams}
        empty={
          <Empty
            title="No upstreams"
            text="Add [[upstreams]] and [[models]] to farebox.toml; farebox.example.toml shows how."
          />
        }
      >
        {(rows) => rows.map((row) => <One key={`${row.id}${row.node ?? ''}`} of={row} />)}
      </Paged>
    </Page>
  );
}

function One({ of: upstream }: { of: Upstream }) {
  const check = useAction(async () => {
    const answer = await data(
      api.POST('/api/operator/upstreams/{upstream_id}/check', {
        params: { path: { upstream_id: upstream.id } },
      }),
    );
    notifications.show({
      color: answer.is_well ? 'fare' : 'red',
      title: upstream.id,
      message: `${answer.outcome.replaceAll('_', ' ')} after ${ms(answer.took_us)}${
        answer.missing_models.length > 0 ? `; it lacks ${answer.missing_models.join(', ')}` : ''
      }`,
    });
  });
  const { recent } = upstream;
  return (
    <Card
      title={upstream.id}
      text={upstream.base_url ?? 'It has not started.'}
      actions={
        <Group gap="xs">
          <StateBadge state={upstream.state} />
          <Button
            variant="default"
            loading={check.isRunning}
            onClick={() => {
              check.run();
            }}
          >
            Check now
          </Button>
        </Group>
      }
    >
      <Facts
        of={[
          ['In flight', upstream.in_flight],
          ['Answers in five minutes', recent.answers],
          ['Half begin within', ms(recent.median_us)],
          ['19 of 20 within', ms(recent.p95_us)],
          ['Last answer', <When key="answer" at={upstream.last_answer_at} />],
          ['Failures in a row', upstream.failures_in_a_row],
        ]}
      />
      {upstream.last_failure && (
        <Text size="sm" mt="sm">
          Last failure: {upstream.last_failure.kind.replaceAll('_', ' ')},{' '}
          <When at={upstream.last_failure.at} />
        </Text>
      )}
      <Text size="sm" mt="sm" c="dimmed">
        Runs {upstream.models.map(({ id }) => id).join(', ') || 'no model'}.
      </Text>
    </Card>
  );
}
