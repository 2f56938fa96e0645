import { Button, Group, Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { api, data } from '../../api/client';
import { queryClient } from '../../api/queries';
import { Card } from '../../ui/Card';
import { useAction } from '../../ui/useAction';

const refresh = async () => {
  await queryClient.invalidateQueries({ queryKey: ['my-invites'] });
  await queryClient.invalidateQueries({ queryKey: ['me'] });
};

/** Invites that wait for an answer; nothing where there are none. */
export function InvitesCard() {
  const invites = useQuery({
    queryKey: ['my-invites'],
    queryFn: ({ signal }) => data(api.GET('/api/me/invites', { signal })),
  });
  const accept = useAction(async (id: string) => {
    await api.POST('/api/me/invites/{invite_id}/accept', { params: { path: { invite_id: id } } });
    await refresh();
  }, 'You belong to it now: choose it at the top left.');
  const decline = useAction(async (id: string) => {
    await api.POST('/api/me/invites/{invite_id}/decline', { params: { path: { invite_id: id } } });
    await refresh();
  }, 'The invite is declined.');
  const waiting = invites.data?.data ?? [];
  if (waiting.length === 0) return null;
  return (
    <Card title="Invites">
      <Stack gap="sm">
        {waiting.map(({ id, organization, role }) => (
          <Group key={id} justify="space-between">
            <Text size="sm">
              <b>{organization.name}</b> asks you to join as {role === 'owner' ? 'an' : 'a'} {role}.
            </Text>
            <Group gap="xs">
              <Button
                loading={accept.isRunning}
                onClick={() => {
                  accept.run(id);
                }}
              >
                Accept
              </Button>
              <Button
                variant="default"
                loading={decline.isRunning}
                onClick={() => {
                  decline.run(id);
                }}
              >
                Decline
              </Button>
            </Group>
          </Group>
        ))}
      </Stack>
    </Card>
  );
}
