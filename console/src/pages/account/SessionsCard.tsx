import { Badge, Button, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { api, data } from '../../api/client';
import { queryClient } from '../../api/queries';
import type { Schemas } from '../../api/types';
import { Card } from '../../ui/Card';
import { DataTable, type Column } from '../../ui/DataTable';
import { Answered } from '../../ui/States';
import { useAction } from '../../ui/useAction';
import { When } from '../../ui/When';
import { browserOf } from './browser';

type Session = Schemas['Session'];

const refresh = () => queryClient.invalidateQueries({ queryKey: ['sessions'] });

const COLUMNS: Column<Session>[] = [
  {
    name: 'Browser',
    cell: (session) => (
      <Text component="div" size="sm" title={session.user_agent ?? undefined}>
        {browserOf(session.user_agent)}{' '}
        {session.is_current && (
          <Badge variant="light" tt="none">
            This one
          </Badge>
        )}
      </Text>
    ),
  },
  { name: 'Address', cell: (session) => session.ip_address ?? 'Unknown' },
  { name: 'Signed in', cell: (session) => <When at={session.created_at} /> },
  { name: 'Last used', cell: (session) => <When at={session.last_used_at} /> },
  { name: 'Actions', isNameHidden: true, align: 'right', cell: (row) => <End of={row} /> },
];

function End({ of: session }: { of: Session }) {
  const end = useAction(async () => {
    const path = { session_id: session.id };
    await api.DELETE('/api/sessions/{session_id}', { params: { path } });
    await refresh();
  });
  if (session.is_current) return null;
  return (
    <Button
      variant="subtle"
      color="red"
      size="compact-sm"
      loading={end.isRunning}
      onClick={() => {
        end.run();
      }}
    >
      Sign out
    </Button>
  );
}

/** Where the person is signed in. */
export function SessionsCard() {
  const sessions = useQuery({
    queryKey: ['sessions'],
    queryFn: ({ signal }) => data(api.GET('/api/sessions', { signal })),
  });
  const others = useAction(async () => {
    await api.POST('/api/sessions/end_others');
    await refresh();
  }, 'You are signed in here alone.');
  return (
    <Card
      title="Sessions"
      text="Where you are signed in."
      actions={
        <Button
          variant="default"
          loading={others.isRunning}
          onClick={() => {
            others.run();
          }}
        >
          Sign out everywhere else
        </Button>
      }
    >
      <Answered query={sessions}>
        {({ data: rows }) => (
          <DataTable label="Sessions" columns={COLUMNS} rows={rows} keyOf={(row) => row.id} />
        )}
      </Answered>
    </Card>
  );
}
