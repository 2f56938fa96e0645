import { Anchor, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { api, data } from '../../api/client';

/** Where messages are, on an installation that sends none. */
export function OutboxHint() {
  const outbox = useQuery({
    queryKey: ['outbox', 'hint'],
    queryFn: ({ signal }) => data(api.GET('/api/outbox', { params: { query: { limit: 1 } }, signal })),
    retry: false,
  });
  if (!outbox.isSuccess) return null;
  return (
    <Text size="sm" c="dimmed">
      This installation sends nothing: messages are in its{' '}
      <Anchor component={Link} to="/outbox" target="_blank" size="sm" underline="always">
        outbox
      </Anchor>
      .
    </Text>
  );
}
