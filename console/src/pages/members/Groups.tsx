import { Button, Group as Row, MultiSelect, Select, Stack, Text, TextInput } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { IconPlus } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { api, data } from '../../api/client';
import { usePaged } from '../../api/paged';
import { queryClient } from '../../api/queries';
import type { Schemas } from '../../api/types';
import { useMay, useMayGive } from '../../session/me';
import { Confirm } from '../../ui/Confirm';
import { DataTable, type Column } from '../../ui/DataTable';
import { useApiForm } from '../../ui/form';
import { FormBody, FormModal } from '../../ui/FormModal';
import { ListWith } from '../../ui/List';
import { Paged } from '../../ui/Paged';
import { Answered, Empty } from '../../ui/States';
import { useAction } from '../../ui/useAction';
import { When } from '../../ui/When';
import { useRoles } from './roles';

type Group = Schemas['Group'];

const refresh = () => queryClient.invalidateQueries({ queryKey: ['groups'] });

const COLUMNS: Column<Group>[] = [
  { name: 'Name', cell: (group) => <Text fw={550}>{group.name}</Text> },
  { name: 'Made', cell: (group) => <When at={group.created_at} as="day" /> },
  { name: 'Actions', isNameHidden: true, align: 'right', cell: (row) => <Actions of={row} /> },
];

/** Groups of people, who share roles. */
export function Groups() {
  const mayWrite = useMay('api.groups.write');
  const [isMaking, making] = useDisclosure();
  const groups = usePaged<Group>({
    key: ['groups'],
    read: (place, signal) =>
      data(
        api.GET('/v1/organization/groups', { params: { query: { limit: 50, ...place } }, signal }),
      ),
  });
  return (
    <ListWith
      actions={
        mayWrite && (
          <Button leftSection={<IconPlus size={16} />} onClick={making.open}>
            Make a group
          </Button>
        )
      }
    >
      <Paged
        query={groups}
        empty={
          <Empty title="No groups" text="A group gives its roles to everybody who is in it." />
        }
      >
        {(rows) => <DataTable label="Groups" columns={COLUMNS} rows={rows} keyOf={(row) => row.id} />}
      </Paged>
      <FormModal isOpen={isMaking} close={making.close} title="Make a group">
        <NewGroup close={making.close} />
      </FormModal>
    </ListWith>
  );
}

function NewGroup({ close }: { close: () => void }) {
  const form = useApiForm({
    initialValues: { name: '' },
    validate: { name: (name) => (name.trim() ? null : 'Give it a name.') },
    send: ({ name }) => data(api.POST('/v1/organization/groups', { body: { name: name.trim() } })),
    onSent: async () => {
      await refresh();
      close();
    },
  });
  return (
    <FormBody of={form} action="Make" close={close}>
      <TextInput label="Name" data-autofocus {...form.form.getInputProps('name')} />
    </FormBody>
  );
}

function Actions({ of: group }: { of: Group }) {
  const [doing, setDoing] = useState<'people' | 'delete' | null>(null);
  const close = () => {
    setDoing(null);
  };
  if (!useMay('api.groups.write')) return null;
  return (
    <Row justify="flex-end" gap="xs" wrap="nowrap">
      <Button
        variant="default"
        size="compact-sm"
        aria-label={`People and roles of ${group.name}`}
        onClick={() => {
          setDoing('people');
        }}
      >
        People and roles
      </Button>
      <Button
        variant="subtle"
        color="red"
        size="compact-sm"
        aria-label={`Delete ${group.name}`}
        onClick={() => {
          setDoing('delete');
        }}
      >
        Delete
      </Button>
      <FormModal isOpen={doing === 'people'} close={close} title={group.name}>
        <PeopleOf group={group} />
        <RolesOf group={group} />
      </FormModal>
      <Confirm
        isOpen={doing === 'delete'}
        close={close}
        title={`Delete ${group.name}?`}
        action="Delete group"
        typed={group.name}
        act={async () => {
          const path = { group_id: group.id };
          await api.DELETE('/v1/organization/groups/{group_id}', { params: { path } });
          await refresh();
        }}
      >
        Whoever has a role through this group loses it at once.
      </Confirm>
    </Row>
  );
}

function PeopleOf({ group }: { group: Group }) {
  const path = { group_id: group.id };
  const people = useQuery({
    queryKey: ['groups', group.id, 'people'],
    queryFn: ({ signal }) =>
      data(
        api.GET('/v1/organization/groups/{group_id}/users', {
          params: { path, query: { limit: 100 } },
          signal,
        }),
      ),
  });
  const members = useQuery({
    queryKey: ['members', 'choice'],
    queryFn: ({ signal }) =>
      data(api.GET('/v1/organization/users', { params: { query: { limit: 100 } }, signal })),
  });
  const set = useAction(async ({ added, removed }: { added: string[]; removed: string[] }) => {
    for (const user of added) {
      await api.POST('/v1/organization/groups/{group_id}/users', {
        params: { path },
        body: { user_id: user },
      });
    }
    for (const user of removed) {
      await api.DELETE('/v1/organization/groups/{group_id}/users/{user_id}', {
        params: { path: { ...path, user_id: user } },
      });
    }
    await people.refetch();
  });
  return (
    <Answered query={people}>
      {({ data: inside }) => {
        const now = inside.map(({ id }) => id);
        return (
          <MultiSelect
            label="People"
            searchable
            disabled={set.isRunning}
            data={(members.data?.data ?? []).map(({ id, name, email }) => ({
              value: id,
              label: `${name} (${email})`,
            }))}
            value={now}
            onChange={(next) => {
              set.run({
                added: next.filter((id) => !now.includes(id)),
                removed: now.filter((id) => !next.includes(id)),
              });
            }}
          />
        );
      }}
    </Answered>
  );
}

function RolesOf({ group }: { group: Group }) {
  const path = { group_id: group.id };
  const known = useRoles();
  const mayGive = useMayGive();
  const givable = (known.data?.data ?? []).filter(({ permissions }) => mayGive(permissions));
  const [chosen, setChosen] = useState<string | null>(null);
  const roles = useQuery({
    queryKey: ['groups', group.id, 'roles'],
    queryFn: ({ signal }) =>
      data(
        api.GET('/v1/organization/groups/{group_id}/roles', {
          params: { path, query: { limit: 100 } },
          signal,
        }),
      ),
  });
  const assign = useAction(async (role: string) => {
    await api.POST('/v1/organization/groups/{group_id}/roles', {
      params: { path },
      body: { role_id: role },
    });
    setChosen(null);
    await roles.refetch();
  });
  const unassign = useAction(async (role: string) => {
    await api.DELETE('/v1/organization/groups/{group_id}/roles/{role_id}', {
      params: { path: { ...path, role_id: role } },
    });
    await roles.refetch();
  });
  return (
    <Stack gap="xs" mt="md">
      <Text size="sm" fw={550}>
        Roles
      </Text>
      {roles.data?.data.length === 0 && <Text size="sm">None yet.</Text>}
      {roles.data?.data.map(({ id, name }) => (
        <Row key={id} justify="space-between">
          <Text size="sm">{name}</Text>
          <Button
            variant="subtle"
            color="red"
            size="compact-sm"
            onClick={() => {
              unassign.run(id);
            }}
          >
            Take away
          </Button>
        </Row>
      ))}
      <Row align="flex-end">
        <Select
          label="Give a role"
          data={givable.map(({ id, name }) => ({ value: id, label: name }))}
          value={chosen}
          onChange={setChosen}
          flex={1}
        />
        <Button
          disabled={chosen === null}
          loading={assign.isRunning}
          onClick={() => {
            if (chosen !== null) assign.run(chosen);
          }}
        >
          Give
        </Button>
      </Row>
    </Stack>
  );
}
