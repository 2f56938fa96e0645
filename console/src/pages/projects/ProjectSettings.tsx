import { Button, TextInput } from '@mantine/core';
import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { api, data } from '../../api/client';
import { queryClient } from '../../api/queries';
import type { Schemas } from '../../api/types';
import { useOrganization } from '../../session/me';
import { Card } from '../../ui/Card';
import { Confirm } from '../../ui/Confirm';
import { useApiForm } from '../../ui/form';
import { FormBody } from '../../ui/FormModal';

const refresh = () => queryClient.invalidateQueries({ queryKey: ['projects'] });

interface ProjectSettingsProps {
  project: Schemas['Project'];
  /** Whether the person may change it; if not, it is only shown. */
  mayWrite: boolean;
}

/** The project's name, and its end. */
export function ProjectSettings({ project, mayWrite }: ProjectSettingsProps) {
  const [isAsking, setIsAsking] = useState(false);
  const navigate = useNavigate();
  const { default_project_id: usual } = useOrganization();
  const path = { project_id: project.id };
  const form = useApiForm({
    initialValues: { name: project.name },
    validate: { name: (name) => (name.trim() ? null : 'Give it a name.') },
    said: 'Saved.',
    send: ({ name }) =>
      data(
        api.POST('/v1/organization/projects/{project_id}', {
          params: { path },
          body: { name: name.trim() },
        }),
      ),
    onSent: refresh,
  });
  return (
    <>
      <Card title="Name">
        <FormBody of={form} action="Save" isReadOnly={!mayWrite}>
          <TextInput label="Name" maw={360} {...form.form.getInputProps('name')} />
        </FormBody>
      </Card>
      {mayWrite && project.id !== usual && (
        <Card title="Archive" text="Every key of the project is refused from then on, for good.">
          <Button
            color="red"
            variant="light"
            onClick={() => {
              setIsAsking(true);
            }}
          >
            Archive the project
          </Button>
        </Card>
      )}
      <Confirm
        isOpen={isAsking}
        close={() => {
          setIsAsking(false);
        }}
        title={`Archive ${project.name}?`}
        action="Archive"
        typed={project.name}
        act={async () => {
          await api.POST('/v1/organization/projects/{project_id}/archive', { params: { path } });
          await refresh();
          await navigate({ to: '/projects' });
        }}
      >
        An archived project does not come back. Its usage stays in the reports.
      </Confirm>
    </>
  );
}
