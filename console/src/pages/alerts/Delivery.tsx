import { Button, Code, Group, Paper, Stack, Text, Title } from '@mantine/core';
import { IconRepeat } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { api, data } from '../../api/client';
import type { Schemas } from '../../api/types';
import { useMay } from '../../session/me';
import { Facts } from '../../ui/Facts';
import { StateBadge } from '../../ui/StateBadge';
import { Answered } from '../../ui/States';
import { useAction } from '../../ui/useAction';
import { When } from '../../ui/When';
import { refreshEndpoints, type Endpoint } from './endpoint';
import { kindName } from './kinds';

type Details = Schemas['WebhookDeliveryDetails'];

const REFRESH_MS = 2_000;

interface DeliveryProps {
  endpoint: Endpoint;
  id: string;
}

/** One event on its way to an endpoint: what it says, and every try with its answer. */
export function Delivery({ endpoint, id }: DeliveryProps) {
  const path = { endpoint_id: endpoint.id, delivery_id: id };
  const delivery = useQuery<Details>({
    queryKey: ['webhook-endpoints', 'delivery', endpoint.id, id],
    refetchInterval: ({ state }) => (state.data?.status === 'waiting' ? REFRESH_MS : false),
    queryFn: ({ signal }) =>
      data(
        api.GET('/api/webhook_endpoints/{endpoint_id}/deliveries/{delivery_id}', {
          params: { path },
          signal,
        }),
      ),
  });
  const mayWrite = useMay('api.management.write');
  const replay = useAction(async () => {
    await api.POST('/api/webhook_endpoints/{endpoint_id}/deliveries/{delivery_id}/replay', {
      params: { path },
    });
    await refreshEndpoints();
  }, 'It is sent again, with the id that it had.');
  return (
    <Answered query={delivery}>
      {(found) => (
        <Stack gap="lg">
          <Group justify="space-between">
            <Group gap="xs">
              <Text fw={600}>{kindName(found.event_type)}</Text>
              <StateBadge state={found.status} />
            </Group>
            {mayWrite && (
              <Button
                variant="default"
                leftSection={<IconRepeat size={16} />}
                loading={replay.isRunning}
                disabled={!endpoint.enabled || found.status === 'waiting'}
                onClick={() => {
                  replay.run();
                }}
              >
                Send again
              </Button>
            )}
          </Group>
          <Facts
            of={[
              ['Happened', <When key="at" at={found.created_at} as="minute" />],
              ['Over', <When key="ended" at={found.ended_at} as="minute" never="Not yet" />],
              ['webhook-id', <Code key="id">{found.event_id}</Code>],
            ]}
          />
          <Tries of={found} />
          <Stack gap="xs">
            <Title order={3} size="h5">
              Event
            </Title>
            <Code block tabIndex={0} aria-label="The event">
              {JSON.stringify(found.event, null, 2)}
            </Code>
          </Stack>
        </Stack>
      )}
    </Answered>
  );
}

function Tries({ of: { tries } }: { of: Details }) {
  const latestFirst = tries.toReversed();
  return (
    <Stack gap="xs">
      <Title order={3} size="h5">
        Tries
      </Title>
      {tries.length === 0 && <Text size="sm">None yet.</Text>}
      {latestFirst.map((one, index) => (
        <Paper key={tries.length - index} withBorder p="sm">
          <Group justify="space-between" gap="xs">
            <Text size="sm" fw={550}>
              {one.response_status ? `Answered ${one.response_status}` : 'No answer'}
            </Text>
            <Text size="sm" c="dimmed">
              <When at={one.at} />, {one.took_ms.toLocaleString()} ms
            </Text>
          </Group>
          {one.failure && <Text size="sm">{one.failure}</Text>}
          {one.response && (
            <Code block mt="xs" tabIndex={0} aria-label="How the answer begins">
              {one.response}
            </Code>
          )}
        </Paper>
      ))}
    </Stack>
  );
}
