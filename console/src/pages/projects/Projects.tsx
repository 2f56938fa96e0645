import { Anchor, Badge, Button, TextInput } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { IconPlus } from '@tabler/icons-react';
import { Link } from '@tanstack/react-router';
import { api, data } from '../../api/client';
import { usePaged } from '../../api/paged';
import { queryClient } from '../../api/queries';
import type { Schemas } from '../../api/types';
import { useMay } from '../../session/me';
import { DataTable, type Column } from '../../ui/DataTable';
import { useApiForm } from '../../ui/form';
import { FormBody, FormModal } from '../../ui/FormModal';
import { Page } from '../../ui/Page';
import { Paged } from '../../ui/Paged';
import { Empty } from '../../ui/States';
import { When } from '../../ui/When';

type Project = Schemas['Project'];

const COLUMNS: Column<Project>[] = [
  {
    name: 'Name',
    cell: ({ id, name }) => (
      <Anchor component={Link} to={`/projects/${id}`} fw={550}>
        {name}
      </Anchor>
    ),
  },
  {
    name: 'State',
    cell: ({ status }) => (
      <Badge variant="light" tt="none" color={status === 'active' ? 'fare' : 'gray'}>
        {status}
      </Badge>
    ),
  },
  { name: 'Made', cell: (project) => <When at={project.created_at} as="day" /> },
];

/** The projects of the organization. */
export default function Projects() {
  const [isMaking, making] = useDisclosure();
  const mayMake = useMay('api.organization.projects.write');
  const projects = usePaged<Project>({
    key: ['projects', 'list'],
    read: (place, signal) =>
      data(
        api.GET('/v1/organization/projects', {
          params: { query: { limit: 50, include_archived: true, ...place } },
          signal,
        }),
      ),
  });
  const make = mayMake && (
    <Button leftSection={<IconPlus size={16} />} onClick={making.open}>
      Make a project
    </Button>
  );
  return (
    <Page
      title="Projects"
      lead="A project groups keys and people, and limits models, rates and money."
      actions={make}
    >
      <Paged
        query={projects}
        empty={<Empty title="No projects for you" text="An owner can add you to one." />}
      >
        {(rows) => (
          <DataTable label="Projects" columns={COLUMNS} rows={rows} keyOf={(row) => row.id} />
        )}
      </Paged>
      <FormModal isOpen={isMaking} close={making.close} title="Make a project">
        <NewProject close={making.close} />
      </FormModal>
    </Page>
  );
}

function NewProject({ close }: { close: () => void }) {
  const form = useApiForm({
    initialValues: { name: '' },
    validate: { name: (name) => (name.trim() ? null : 'Give it a name.') },
    send: ({ name }) => data(api.POST('/v1/organization/projects', { body: { name: name.trim() } })),
    onSent: async () => {
      await queryClient.invalidateQueries({ queryKey: ['projects'] });
      close();
    },
  });
  return (
    <FormBody of={form} action="Make" close={close}>
      <TextInput label="Name" data-autofocus {...form.form.getInputProps('name')} />
    </FormBody>
  );
}
