import { Badge, Button, Select, Text } from '@mantine/core';
import { useState } from 'react';
import { api, data } from '../../api/client';
import { usePaged } from '../../api/paged';
import { queryClient } from '../../api/queries';
import type { Schemas } from '../../api/types';
import { useMay, useMe, useOrganization } from '../../session/me';
import { Confirm } from '../../ui/Confirm';
import { DataTable, type Column } from '../../ui/DataTable';
import { ListWith } from '../../ui/List';
import { Paged } from '../../ui/Paged';
import { Empty } from '../../ui/States';
import { useAction } from '../../ui/useAction';
import { When } from '../../ui/When';
import { useMemberRoles } from './memberRoles';

type Person = Schemas['OrganizationUser'];

const refresh = () => queryClient.invalidateQueries({ queryKey: ['members'] });

const COLUMNS: Column<Person>[] = [
  {
    name: 'Person',
    cell: (person) => (
      <div>
        <Text size="sm" fw={550}>
          {person.name}
        </Text>
        <Text size="sm" c="dimmed">
          {person.email}
        </Text>
      </div>
    ),
  },
  { name: 'Role', cell: (person) => <Role of={person} /> },
  { name: 'Projects', align: 'right', cell: (person) => person.projects.data.length },
  { name: 'Joined', cell: (person) => <When at={person.added_at} as="day" /> },
  { name: 'Last call', cell: (person) => <When at={person.api_key_last_used_at} /> },
  { name: 'Actions', isNameHidden: true, align: 'right', cell: (row) => <Remove of={row} /> },
];

/** Whether the reader may change or remove somebody: never themselves. */
function useMayChange(person: Person): boolean {
  const mayWrite = useMay('api.management.write');
  return person.id !== useMe().id && mayWrite;
}

function Role({ of: person }: { of: Person }) {
  const set = useAction(async (role: string) => {
    await api.POST('/v1/organization/users/{user_id}', {
      params: { path: { user_id: person.id } },
      body: { role },
    });
    await refresh();
  }, 'The role is changed.');
  const roles = useMemberRoles(person.role);
  if (!useMayChange(person)) return <Badge variant="light">{person.role}</Badge>;
  return (
    <Select
      aria-label={`Role of ${person.name}`}
      data={roles}
      value={person.role}
      allowDeselect={false}
      disabled={set.isRunning}
      size="xs"
      w={120}
      onChange={(role) => {
        if (role && role !== person.role) set.run(role);
      }}
    />
  );
}

function Remove({ of: person }: { of: Person }) {
  const [isAsking, setIsAsking] = useState(false);
  const organization = useOrganization();
  if (!useMayChange(person)) return null;
  return (
    <>
      <Button
        variant="subtle"
        color="red"
        size="compact-sm"
        aria-label={`Remove ${person.name}`}
        onClick={() => {
          setIsAsking(true);
        }}
      >
        Remove
      </Button>
      <Confirm
        isOpen={isAsking}
        close={() => {
          setIsAsking(false);
        }}
        title={`Remove ${person.name}?`}
        action="Remove"
        act={async () => {
          const path = { user_id: person.id };
          await api.DELETE('/v1/organization/users/{user_id}', { params: { path } });
          await refresh();
        }}
      >
        {person.name} leaves {organization.name} and its projects, and their keys are refused from
        the next call on. An owner can invite them again; their keys do not come back to life
        before that.
      </Confirm>
    </>
  );
}

/** The people of the organization. */
export function People() {
  const people = usePaged<Person>({
    key: ['members'],
    read: (place, signal) =>
      data(
        api.GET('/v1/organization/users', { params: { query: { limit: 50, ...place } }, signal }),
      ),
  });
  return (
    <ListWith>
      <Paged query={people} empty={<Empty title="Nobody here" text="Invite the first member." />}>
        {(rows) => <DataTable label="People" columns={COLUMNS} rows={rows} keyOf={(row) => row.id} />}
      </Paged>
    </ListWith>
  );
}
