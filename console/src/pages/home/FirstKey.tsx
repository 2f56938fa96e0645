import { Button, Group, Stack, Text, TextInput } from '@mantine/core';
import { api, data } from '../../api/client';
import { queryClient } from '../../api/queries';
import { NoProjects } from '../../session/NoProjects';
import { useHasNoProject, useProject } from '../../session/project';
import { useIsMine } from '../../session/standing';
import { Card } from '../../ui/Card';
import { useApiForm } from '../../ui/form';
import { Problem } from '../../ui/Problem';
import { SecretOnce } from '../../ui/SecretOnce';
import type { FreshKey } from './Home';

interface FirstKeyProps {
  fresh: FreshKey | null;
  made: (key: FreshKey) => void;
}

/** Makes a key without leaving the page. */
export function FirstKey({ fresh, made }: FirstKeyProps) {
  const project = useProject();
  const hasNoProject = useHasNoProject();
  const isMine = useIsMine(project);
  const { form, submit, isSending, problem } = useApiForm({
    initialValues: { name: 'My first key' },
    validate: { name: (name) => (name.trim() ? null : 'Give it a name.') },
    send: ({ name }) =>
      data(
        api.POST('/api/projects/{project_id}/keys', {
          params: { path: { project_id: project ?? '' } },
          body: { name: name.trim() },
        }),
      ),
    onSent: async (key) => {
      made({ name: key.name, secret: key.value });
      await queryClient.invalidateQueries({ queryKey: ['keys'] });
    },
  });
  if (hasNoProject || isMine === false) {
    return (
      <Card title="1. Create a key">
        <NoProjects />
      </Card>
    );
  }
  return (
    <Card title="1. Create a key">
      {fresh ? (
        <SecretOnce name={`key ${fresh.name}`} secret={fresh.secret} />
      ) : (
        <form onSubmit={submit} noValidate>
          <Stack gap="sm">
            <Text size="sm" c="dimmed">
              Programs show it with every call. You see it once.
            </Text>
            <Group align="flex-end">
              <TextInput label="Name of the key" {...form.getInputProps('name')} />
              <Button type="submit" loading={isSending} disabled={!isMine}>
                Create key
              </Button>
            </Group>
            <Problem text={problem} />
          </Stack>
        </form>
      )}
    </Card>
  );
}
