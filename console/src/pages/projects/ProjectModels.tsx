import { Radio, Stack, TagsInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { api, data } from '../../api/client';
import { ApiError } from '../../api/error';
import type { Schemas } from '../../api/types';
import { useModels } from '../../session/models';
import { Card } from '../../ui/Card';
import { useApiForm } from '../../ui/form';
import { FormBody } from '../../ui/FormModal';
import { Answered } from '../../ui/States';
import type { PartProps } from './part';

const PATH = '/v1/organization/projects/{project_id}/model_permissions';

type Mode = 'all' | Schemas['PermissionMode'];
type Rules = Schemas['ModelPermissions'];

/** The rules of a project; null while it has none: then it may use every model. */
async function rulesOf(project: string, signal: AbortSignal): Promise<Rules | null> {
  try {
    return await data(api.GET(PATH, { params: { path: { project_id: project } }, signal }));
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return null;
    throw error;
  }
}

/** Which models the project may use. */
export function ProjectModels({ project, mayWrite }: PartProps) {
  const permissions = useQuery({
    queryKey: ['model-permissions', project],
    queryFn: ({ signal }) => rulesOf(project, signal),
  });
  return (
    <Card title="Models" text={mayWrite ? 'A change acts on the very next call.' : undefined}>
      <Answered query={permissions}>
        {(now) => (
          <Choose project={project} mayWrite={mayWrite} now={now} changed={permissions.refetch} />
        )}
      </Answered>
    </Card>
  );
}

interface ChooseProps extends PartProps {
  now: Rules | null;
  changed: () => Promise<unknown>;
}

function Choose({ project, mayWrite, now, changed }: ChooseProps) {
  const models = useModels(project);
  const initialMode: Mode = now?.mode ?? 'all';
  const form = useApiForm({
    initialValues: { mode: initialMode, model_ids: now?.model_ids ?? [] },
    said: 'Saved.',
    send: async ({ mode, model_ids }) => {
      const params = { path: { project_id: project } };
      if (mode !== 'all') await api.POST(PATH, { params, body: { mode, model_ids } });
      else if (now) await api.DELETE(PATH, { params });
    },
    onSent: async () => {
      await changed();
    },
  });
  const { values, getInputProps } = form.form;
  return (
    <FormBody of={form} action="Save" isReadOnly={!mayWrite}>
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
