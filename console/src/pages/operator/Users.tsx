import { Badge, Menu, ActionIcon, Text, TextInput } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { IconDots } from '@tabler/icons-react';
import { useState } from 'react';
import { api, data } from '../../api/client';
import { usePaged } from '../../api/paged';
import { queryClient } from '../../api/queries';
import type { Schemas } from '../../api/types';
import { useMe } from '../../session/me';
import { Confirm } from '../../ui/Confirm';
import { DataTable, type Column } from '../../ui/DataTable';
import { Page } from '../../ui/Page';
import { Paged } from '../../ui/Paged';
import { Empty } from '../../ui/States';
import { useAction } from '../../ui/useAction';
import { When } from '../../ui/When';
import { StateBadge } from '../../ui/StateBadge';

type User = Schemas['OperatorUser'];

const TYPING_MS = 300;

const refresh = () => queryClient.invalidateQueries({ queryKey: ['operator', 'users'] });

const COLUMNS: Column<User>[] = [
  {
    name: 'Person',
    cell: ({ name, email }) => (
      <div>
        <Text size="sm" fw={550}>
          {name}
        </Text>
        <Text size="sm" c="dimmed">
          {email}
        </Text>
      </div>
    ),
  },
  { name: 'Phone', cell: ({ phone }) => phone ?? '' },
  {
    name: 'State',
    cell: (user) => (
      <>
        <StateBadge state={user.state} />{' '}
        {user.is_operator && (
          <Badge variant="light" tt="none">
            operator
          </Badge>
        )}
      </>
    ),
  },
  { name: 'Since', cell: (user) => <When at={user.created_at} as="day" /> },
  { name: 'Actions', isNameHidden: true, align: 'right', cell: (row) => <Actions of={row} /> },
];

/** Every account of the installation. */
export default function Users() {
  const [search, setSearch] = useState('');
  const [asked] = useDebouncedValue(search.trim(), TYPING_MS);
  const users = usePaged<User>({
    key: ['operator', 'users', asked],
    read: (place, signal) =>
      data(
        api.GET('/api/operator/users', {
          params: { query: { limit: 50, ...place, ...(asked && { search: asked }) } },
          signal,
        }),
      ),
  });
  return (
    <Page title="Users" lead="Every account of this installation.">
      <TextInput
        label="Search"
        placeholder="A name or an address"
        maw={320}
        value={search}
        onChange={(event) => {
          setSearch(event.currentTarget.value);
        }}
      />
      <Paged query={users} empty={<Empty title="None" text="Nobody is like that." />}>
        {(rows) => <DataTable label="Users" columns={COLUMNS} rows={rows} keyOf={(row) => row.id} />}
      </Paged>
    </Page>
  );
}

function Actions({ of: user }: { of: User }) {
  const [isLocking, setIsLocking] = useState(false);
  const isMe = user.id === useMe().id;
  const params = { path: { user_id: user.id } };
  const unlock = useAction(async () => {
    await api.POST('/api/operator/users/{user_id}/unlock', { params });
    await refresh();
  }, 'They can sign in again.');
  const signOut = useAction(async () => {
    await api.POST('/api/operator/users/{user_id}/sign_out', { params });
  }, 'They are signed out everywhere.');
  const promote = useAction(async () => {
    if (user.is_operator) await api.DELETE('/api/operator/users/{user_id}/operator', { params });
    else await api.POST('/api/operator/users/{user_id}/operator', { params });
    await refresh();
  });
  if (isMe) return null;
  return (
    <>
      <Menu position="bottom-end">
        <Menu.Target>
          <ActionIcon variant="subtle" color="gray" aria-label={`Actions for ${user.email}`}>
            <IconDots size={18} />
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item
            onClick={() => {
              signOut.run();
            }}
          >
            Sign out everywhere
          </Menu.Item>
          <Menu.Item
            onClick={() => {
              promote.run();
            }}
          >
            {user.is_operator ? 'Not an operator any more' : 'Make an operator'}
          </Menu.Item>
          {user.locked_at ? (
            <Menu.Item
              onClick={() => {
                unlock.run();
              }}
            >
              Unlock
            </Menu.Item>
          ) : (
            <Menu.Item
              color="red"
              onClick={() => {
                setIsLocking(true);
              }}
            >
              Lock
            </Menu.Item>
          )}
        </Menu.Dropdown>
      </Menu>
      <Confirm
        isOpen={isLocking}
        close={() => {
          setIsLocking(false);
        }}
        title={`Lock ${user.email}?`}
        action="Lock"
        act={async () => {
          await api.POST('/api/operator/users/{user_id}/lock', {
            params,
            body: { reason: 'Locked in the console' },
          });
          await refresh();
        }}
      >
        They are signed out everywhere and cannot sign in, and their keys are refused, until you
        unlock them.
      </Confirm>
    </>
  );
}
