import { Badge, Button, Group, MultiSelect, Text, Textarea, TextInput } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { IconPlus } from '@tabler/icons-react';
import { useState } from 'react';
import { api, data } from '../../api/client';
import { usePaged } from '../../api/paged';
import { queryClient } from '../../api/queries';
import type { Schemas } from '../../api/types';
import { useMay, useMayGive } from '../../session/me';
import { PERMISSIONS } from '../../session/permissions';
import { Confirm } from '../../ui/Confirm';
import { DataTable, type Column } from '../../ui/DataTable';
import { useApiForm } from '../../ui/form';
import { FormBody, FormModal } from '../../ui/FormModal';
import { ListWith } from '../../ui/List';
import { Paged } from '../../ui/Paged';
import { Empty } from '../../ui/States';

type Role = Schemas['Role'];

const refresh = () => queryClient.invalidateQueries({ queryKey: ['roles'] });

const COLUMNS: Column<Role>[] = [
  {
    name: 'Name',
    cell: (role) => (
      <Text fw={550} component="span">
        {role.name} {role.predefined_role && <Badge variant="light">built in</Badge>}
      </Text>
    ),
  },
  { name: 'What for', cell: (role) => role.description ?? '' },
  {
    name: 'Permissions',
    align: 'right',
    cell: ({ permissions }) => <span title={permissions.join('\n')}>{permissions.length}</span>,
  },
  { name: 'Actions', isNameHidden: true, align: 'right', cell: (row) => <Actions of={row} /> },
];

/** What can be given to people and groups. */
export function Roles() {
  const mayWrite = useMay('api.management.write');
  const [isMaking, making] = useDisclosure();
  const roles = usePaged<Role>({
    key: ['roles'],
    read: (place, signal) =>
      data(
        api.GET('/v1/organization/roles', { params: { query: { limit: 50, ...place } }, signal }),
      ),
  });
  return (
    <ListWith
      actions={
        mayWrite && (
          <Button leftSection={<IconPlus size={16} />} onClick={making.open}>
            Make a role
          </Button>
        )
      }
    >
      <Paged query={roles} empty={<Empty title="No roles" text="Make one from permissions." />}>
        {(rows) => <DataTable label="Roles" columns={COLUMNS} rows={rows} keyOf={(row) => row.id} />}
      </Paged>
      <FormModal isOpen={isMaking} close={making.close} title="Make a role">
        <RoleForm close={making.close} />
      </FormModal>
    </ListWith>
  );
}

function RoleForm({ of: role, close }: { of?: Role; close: () => void }) {
  const mayGive = useMayGive();
  const before = role?.permissions ?? [];
  const choice = PERMISSIONS.filter(({ value }) => before.includes(value) || mayGive([value]));
  const form = useApiForm({
    initialValues: {
      role_name: role?.name ?? '',
      description: role?.description ?? '',
      permissions: before,
    },
    validate: {
      role_name: (name) => (name.trim() ? null : 'Give it a name.'),
      permissions: (chosen) => (chosen.length > 0 ? null : 'Choose at least one.'),
    },
    send: async (values) => {
      const body = { ...values, description: values.description.trim() || null };
      if (role) {
        const path = { role_id: role.id };
        return data(api.POST('/v1/organization/roles/{role_id}', { params: { path }, body }));
      }
      return data(api.POST('/v1/organization/roles', { body }));
    },
    onSent: async () => {
      await refresh();
      close();
    },
  });
  const { getInputProps } = form.form;
  return (
    <FormBody of={form} action="Save" close={close}>
      <TextInput label="Name" data-autofocus {...getInputProps('role_name')} />
      <Textarea label="What for" {...getInputProps('description')} />
      <MultiSelect
        label="Permissions"
        data={choice}
        searchable
        {...getInputProps('permissions')}
      />
    </FormBody>
  );
}

function Actions({ of: role }: { of: Role }) {
  const [doing, setDoing] = useState<'edit' | 'delete' | null>(null);
  const close = () => {
    setDoing(null);
  };
  const mayWrite = useMay('api.management.write');
  if (!mayWrite || role.predefined_role) return null;
  return (
    <Group justify="flex-end" gap="xs" wrap="nowrap">
      <Button
        variant="default"
        size="compact-sm"
        aria-label={`Change ${role.name}`}
        onClick={() => {
          setDoing('edit');
        }}
      >
        Change
      </Button>
      <Button
        variant="subtle"
        color="red"
        size="compact-sm"
        aria-label={`Delete ${role.name}`}
        onClick={() => {
          setDoing('delete');
        }}
      >
        Delete
      </Button>
      <FormModal isOpen={doing === 'edit'} close={close} title={`Change ${role.name}`}>
        <RoleForm of={role} close={close} />
      </FormModal>
      <Confirm
        isOpen={doing === 'delete'}
        close={close}
        title={`Delete ${role.name}?`}
        action="Delete role"
        typed={role.name}
        act={async () => {
          const path = { role_id: role.id };
          await api.DELETE('/v1/organization/roles/{role_id}', { params: { path } });
          await refresh();
        }}
      >
        Everybody who has it loses what it allows, at once.
      </Confirm>
    </Group>
  );
}
