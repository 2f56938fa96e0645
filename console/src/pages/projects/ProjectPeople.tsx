import { Badge, Button, Select, Text, TextInput } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { IconUserPlus } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { api, data } from '../../api/client';
import { usePaged } from '../../api/paged';
import { queryClient } from '../../api/queries';
import type { Schemas } from '../../api/types';
import { useMay, useOrganization } from '../../session/me';
import { refreshStanding } from '../../session/standing';
import { DataTable, type Column } from '../../ui/DataTable';
import { useApiForm } from '../../ui/form';
import { FormBody, FormModal } from '../../ui/FormModal';
import { ListWith } from '../../ui/List';
import { Paged } from '../../ui/Paged';
import { Empty } from '../../ui/States';
import { useAction } from '../../ui/useAction';
import { When } from '../../ui/When';
import { PROJECT_ROLES } from '../members/memberRoles';
import type { PartProps } from './part';

type Person = Schemas['ProjectUser'];

const refresh = async () => {
  await Promise.all([
    queryClient.invalidateQueries({ queryKey: ['project-people'] }),
    refreshStanding(),
  ]);
};

const columnsOf = (project: string, mayWrite: boolean): Column<Person>[] => [
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
  {
    name: 'Role',
    cell: (person) =>
      mayWrite ? (
        <Role of={person} project={project} />
      ) : (
        <Badge variant="light" tt="none">
          {person.role}
        </Badge>
      ),
  },
  { name: 'Added', cell: (person) => <When at={person.added_at} as="day" /> },
  ...(mayWrite
    ? [
        {
          name: 'Actions',
          isNameHidden: true,
          align: 'right' as const,
          cell: (person: Person) => <Remove of={person} project={project} />,
        },
      ]
    : []),
];

/** Who belongs to the project. */
export function ProjectPeople({ project, mayWrite }: PartProps) {
  const isUsual = useOrganization().default_project_id === project;
  const [isAdding, adding] = useDisclosure();
  const people = usePaged<Person>({
    key: ['project-people', project],
    read: (place, signal) =>
      data(
        api.GET('/v1/organization/projects/{project_id}/users', {
          params: { path: { project_id: project }, query: { limit: 50, ...place } },
          signal,
        }),
      ),
  });
  return (
    <ListWith
      actions={
        mayWrite &&
        !isUsual && (
          <Button leftSection={<IconUserPlus size={16} />} onClick={adding.open}>
            Add somebody
          </Button>
        )
      }
    >
      <Paged
        query={people}
        empty={
          isUsual ? (
            <Empty
              title="Owners of the organization work here"
              text="Nobody else is added to the default project: make another one for that."
            />
          ) : (
            <Empty title="Nobody yet" text="Owners of the organization may work here all the same." />
          )
        }
      >
        {(rows) => (
          <DataTable
            label="People of the project"
            keyOf={(person) => person.id}
            rows={rows}
            columns={columnsOf(project, mayWrite)}
          />
        )}
      </Paged>
      <FormModal isOpen={isAdding} close={adding.close} title="Add somebody to the project">
        <Add project={project} close={adding.close} />
      </FormModal>
    </ListWith>
  );
}

interface PersonProps {
  of: Person;
  project: string;
}

function Role({ of: person, project }: PersonProps) {
  const set = useAction(async (role: string) => {
    await api.POST('/v1/organization/projects/{project_id}/users/{user_id}', {
      params: { path: { project_id: project, user_id: person.id } },
      body: { role },
    });
    await refresh();
  }, 'The role is changed.');
  return (
    <Select
      aria-label={`Role of ${person.name} in the project`}
      data={PROJECT_ROLES}
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

function Remove({ of: person, project }: PersonProps) {
  const remove = useAction(async () => {
    await api.DELETE('/v1/organization/projects/{project_id}/users/{user_id}', {
      params: { path: { project_id: project, user_id: person.id } },
    });
    await refresh();
  }, `${person.name} is removed; their keys in this project are refused.`);
  return (
    <Button
      variant="subtle"
      color="red"
      size="compact-sm"
      aria-label={`Remove ${person.name}`}
      loading={remove.isRunning}
      onClick={() => {
        remove.run();
      }}
    >
      Remove
    </Button>
  );
}

/** Adds a member of the organization: chosen from the list by those who may see it, else by address. */
function Add({ project, close }: { project: string; close: () => void }) {
  const mayChoose = useMay('api.management.read');
  const members = useQuery({
    queryKey: ['members', 'choice'],
    enabled: mayChoose,
    queryFn: ({ signal }) =>
      data(api.GET('/v1/organization/users', { params: { query: { limit: 100 } }, signal })),
  });
  const form = useApiForm({
    initialValues: { user_id: '', email: '', role: 'member' },
    validate: {
      user_id: (id) => (id || !mayChoose ? null : 'Choose a member of the organization.'),
      email: (email) => (email.includes('@') || mayChoose ? null : 'Type an e-mail address.'),
    },
    send: ({ user_id, email, role }) =>
      data(
        api.POST('/v1/organization/projects/{project_id}/users', {
          params: { path: { project_id: project } },
          body: mayChoose ? { user_id, role } : { email: email.trim(), role },
        }),
      ),
    onSent: async () => {
      await refresh();
      close();
    },
  });
  const { getInputProps } = form.form;
  return (
    <FormBody of={form} action="Add" close={close}>
      {mayChoose ? (
        <Select
          label="Member"
          searchable
          data={(members.data?.data ?? []).map(({ id, name, email }) => ({
            value: id,
            label: `${name} (${email})`,
          }))}
          {...getInputProps('user_id')}
        />
      ) : (
        <TextInput
          label="E-mail"
          description="Of a member of the organization."
          type="email"
          data-autofocus
          {...getInputProps('email')}
        />
      )}
      <Select
        label="Role"
        description="Owners manage the project, members call models, viewers look."
        data={PROJECT_ROLES}
        allowDeselect={false}
        {...getInputProps('role')}
      />
    </FormBody>
  );
}
