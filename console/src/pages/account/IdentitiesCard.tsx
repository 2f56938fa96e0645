import { Button, Group, Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { api, data } from '../../api/client';
import { queryClient } from '../../api/queries';
import { Card } from '../../ui/Card';
import { Answered } from '../../ui/States';
import { useAction } from '../../ui/useAction';
import { When } from '../../ui/When';

/** Accounts elsewhere that the person signs in with; nothing where there are no providers. */
export function IdentitiesCard() {
  const providers = useQuery({
    queryKey: ['sso'],
    staleTime: Infinity,
    queryFn: ({ signal }) => data(api.GET('/api/sso', { signal })),
  });
  const identities = useQuery({
    queryKey: ['identities'],
    queryFn: ({ signal }) => data(api.GET('/api/me/identities', { signal })),
  });
  const link = useAction(async (provider: string) => {
    const body = { provider, return_to: '/account' };
    const { url } = await data(api.POST('/api/me/identities', { body }));
    window.location.assign(url);
  });
  const unlink = useAction(async (id: string) => {
    await api.DELETE('/api/me/identities/{identity_id}', { params: { path: { identity_id: id } } });
    await queryClient.invalidateQueries({ queryKey: ['identities'] });
  }, 'It is unlinked.');
  const offered = providers.data?.data ?? [];
  if (offered.length === 0) return null;
  return (
    <Card title="Single sign-on" text="Accounts elsewhere that let you in here.">
      <Answered query={identities}>
        {({ data: linked }) => (
          <Stack gap="sm">
            {linked.map((identity) => (
              <Group key={identity.id} justify="space-between">
                <Text size="sm">
                  {identity.provider?.name ?? identity.issuer}
                  {identity.email && `, ${identity.email}`}, last used{' '}
                  <When at={identity.last_used_at} />
                </Text>
                <Button
                  variant="default"
                  loading={unlink.isRunning}
                  onClick={() => {
                    unlink.run(identity.id);
                  }}
                >
                  Unlink
                </Button>
              </Group>
            ))}
            {offered
              .filter(({ id }) => !linked.some(({ provider }) => provider?.id === id))
              .map(({ id, name }) => (
                <Group key={id}>
                  <Button
                    variant="default"
                    loading={link.isRunning}
                    onClick={() => {
                      link.run(id);
                    }}
                  >
                    Link {name}
                  </Button>
                </Group>
              ))}
          </Stack>
        )}
      </Answered>
    </Card>
  );
}
