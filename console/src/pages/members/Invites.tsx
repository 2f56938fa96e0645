import { Badge, Button, Select, TextInput } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { IconUserPlus } from '@tabler/icons-react';
import { api, data } from '../../api/client';
import { usePaged } from '../../api/paged';
import { queryClient } from '../../api/queries';
import type { Schemas } from '../../api/types';
import { useMay, useOrganization } from '../../session/me';
import { useProjects } from '../../session/project';
import { DataTable, type Column } from '../../ui/DataTable';
import { useApiForm } from '../../ui/form';
import { FormBody, FormModal } from '../../ui/FormModal';
import { ListWith } from '../../ui/List';
import { Paged } from '../../ui/Paged';
import { Empty } from '../../ui/States';
import { useAction } from '../../ui/useAction';
import { When } from '../../ui/When';
import { useMemberRoles } from './memberRoles';

type Invite = Schemas['Invite'];

const refresh = () => queryClient.invalidateQueries({ queryKey: ['invites'] });

const COLUMNS: Column<Invite>[] = [
  { name: 'Address', cell: (invite) => invite.email },
  { name: 'Role', cell: (invite) => invite.role },
  {
    name: 'State',
    cell: ({ status }) => (
      <Badge variant="light" tt="none" color={status === 'pending' ? 'yellow' : 'gray'}>
        {status}
      </Badge>
    ),
  },
  { name: 'Sent', cell: (invite) => <When at={invite.created_at} /> },
  { name: 'Expires', cell: (invite) => <When at={invite.expires_at} /> },
  { name: 'Actions', isNameHidden: true, align: 'right', cell: (row) => <Withdraw of={row} /> },
];

function Withdraw({ of: invite }: { of: Invite }) {
  const withdraw = useAction(async () => {
    const path = { invite_id: invite.id };
    await api.DELETE('/v1/organization/invites/{invite_id}', { params: { path } });
    await refresh();
  }, 'The invite is withdrawn: its link works no more.');
  const mayWrite = useMay('api.management.write');
  if (!mayWrite || invite.status !== 'pending') return null;
  return (
    <Button
      variant="subtle"
      color="red"
      size="compact-sm"
      aria-label={`Withdraw the invite of ${invite.email}`}
      loading={withdraw.isRunning}
      onClick={() => {
        withdraw.run();
      }}
    >
      Withdraw
    </Button>
  );
}

/** People who were asked to join. */
export function Invites() {
  const [isInviting, inviting] = useDisclosure();
  const invites = usePaged<Invite>({
    key: ['invites'],
    read: (place, signal) =>
      data(
        api.GET('/v1/organization/invites', { params: { query: { limit: 50, ...place } }, signal }),
      ),
  });
  const invite = useMay('api.management.write') && (
    <Button leftSection={<IconUserPlus size={16} />} onClick={inviting.open}>
      Invite somebody
    </Button>
  );
  return (
    <ListWith actions={invite}>
      <Paged
        query={invites}
        empty={<Empty title="No invites" text="Whoever you invite gets a mail with a link." />}
      >
        {(rows) => (
          <DataTable label="Invites" columns={COLUMNS} rows={rows} keyOf={(row) => row.id} />
        )}
      </Paged>
      <FormModal isOpen={isInviting} close={inviting.close} title="Invite somebody">
        <NewInvite close={inviting.close} />
      </FormModal>
    </ListWith>
  );
}

function NewInvite({ close }: { close: () => void }) {
  const { default_project_id: usual } = useOrganization();
  const roles = useMemberRoles();
  const projects = useProjects();
  // Nobody is added to the default one.
  const others = (projects.data ?? []).filter(({ id }) => id !== usual);
  const form = useApiForm({
    initialValues: { email: '', role: 'reader', project: '' },
    fields: { projects: 'project' },
    validate: { email: (value) => (value.includes('@') ? null : 'Type an e-mail address.') },
    said: 'The invite is on its way.',
    send: ({ email, role, project }) =>
      data(
        api.POST('/v1/organization/invites', {
          body: {
            email: email.trim(),
            role,
            ...(project && { projects: [{ id: project, role: 'member' }] }),
          },
        }),
      ),
    onSent: async () => {
      await refresh();
      close();
    },
  });
  const { getInputProps } = form.form;
  return (
    <FormBody of={form} action="Send the invite" close={close}>
      <TextInput label="E-mail" type="email" data-autofocus {...getInputProps('email')} />
      <Select
        label="Role"
        description="Owners may do everything. Readers see the organization, and work in their projects."
        data={roles}
        allowDeselect={false}
        {...getInputProps('role')}
      />
      <Select
        label="Project"
        description="They become a member of it, too."
        data={others.map(({ id, name }) => ({ value: id, label: name }))}
        clearable
        placeholder="None"
        {...getInputProps('project')}
      />
    </FormBody>
  );
}
