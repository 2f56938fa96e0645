import { Radio, Stack, TagsInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { api, data } from '../../api/client';
import type { Schemas } from '../../api/types';
import { useModels } from '../../session/models';
import { Card } from '../../ui/Card';
import { useApiForm } from '../../ui/form';
import { FormBody } from '../../ui/FormModal';
import { Answered } from '../../ui/States';

const PATH = '/v1/organization/projects/{project_id}/model_permissions';

type Mode = 'all' | Schemas['PermissionMode'];

/** Which models the project may use. */
export function ProjectModels({ project }: { project: string }) {
  const permissions = useQuery({
    queryKey: ['model-permissions', project],
    queryFn: ({ signal }) =>
      data(api.GET(PATH, { params: { path: { project_id: project } }, signal })),
  });
  return (
    <Card title="Models" text="A change acts on the very next call.">
      <Answered query={permissions}>
        {(now) => <Choose project={project} now={now} changed={permissions.refetch} />}
      </Answered>
    </Card>
  );
}

interface ChooseProps {
  project: string;
  now: Schemas['ModelPermissions'];
  changed: () => Promise<unknown>;
}

function Choose({ project, now, changed }: ChooseProps) {
  const models = useModels(project);
  const isAll = now.mode === 'deny_list' && now.model_ids.length === 0;
  const initialMode: Mode = isAll ? 'all' : now.mode;
  const form = useApiForm({
    initialValues: { mode: initialMode, model_ids: now.model_ids },
    said: 'Saved.',
    send: async ({ mode, model_ids }) => {
      const params = { path: { project_id: project } };
      if (mode === 'all') await api.DELETE(PATH, { params });
      else await api.POST(PATH, { params, body: { mode, model_ids } });
    },
    onSent: async () => {
      await changed();
    },
  });
  const { values, getInputProps } = form.form;
  return (
    <FormBody of={form} action="Save">
      <Radio.Group label="The project may use" {...getInputProps('mode')}>
        <Stack gap="xs" mt="xs">
          <Radio value="all" label="Every model" />
          <Radio value="allow_list" label="Only these" />
          <Radio value="deny_list" label="Every model but these" />
        </Stack>
      </Radio.Group>
      {values.mode !== 'all' && (
        <TagsInput label="Models" data={models.data ?? []} {...getInputProps('model_ids')} />
      )}
    </FormBody>
  );
}
