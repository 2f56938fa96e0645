import { Button, Group, Modal, Select, Stack, TextInput } from '@mantine/core';
import { useState } from 'react';
import { api, data } from '../../api/client';
import { queryClient } from '../../api/queries';
import type { Schemas } from '../../api/types';
import { useMay } from '../../session/me';
import { useApiForm } from '../../ui/form';
import { Problem } from '../../ui/Problem';
import { SecretOnce } from '../../ui/SecretOnce';
import { LimitFields } from './LimitFields';
import { askedLimits, limitFields, limitRules, UNLIMITED } from './limits';
import { Restrictions } from './Restrictions';
import { asked, EXPIRIES, UNRESTRICTED } from './restriction';

interface CreateKeyProps {
  project: string;
  isOpen: boolean;
  close: () => void;
}

/** Makes a key, and shows its secret once. */
export function CreateKey({ project, isOpen, close }: CreateKeyProps) {
  return (
    <Modal opened={isOpen} onClose={close} title="Create a key" size="lg">
      {isOpen && <Steps project={project} close={close} />}
    </Modal>
  );
}

function Steps({ project, close }: Omit<CreateKeyProps, 'isOpen'>) {
  const mayLimit = useMay('api.organization.projects.rate_limits.write');
  const [made, setMade] = useState<Schemas['UserKeyWithSecret'] | null>(null);
  const { form, submit, isSending, problem } = useApiForm({
    initialValues: { name: '', expires: 'never', ...UNRESTRICTED, ...UNLIMITED },
    validate: {
      name: (name) => (name.trim() ? null : 'Give it a name that you will know later.'),
      ...limitRules,
    },
    fields: { expires_in_seconds: 'expires', resources: 'permissions', ...limitFields },
    send: (values) =>
      data(
        api.POST('/api/projects/{project_id}/keys', {
          params: { path: { project_id: project } },
          body: {
            name: values.name.trim(),
            ...asked(values),
            ...askedLimits(values),
            ...(values.expires !== 'never' && { expires_in_seconds: Number(values.expires) }),
          },
        }),
      ),
    onSent: async (key) => {
      setMade(key);
      await queryClient.invalidateQueries({ queryKey: ['keys'] });
    },
  });
  if (made) {
    return (
      <Stack gap="md">
        <SecretOnce name={`key ${made.name}`} secret={made.value} />
        <Group justify="flex-end">
          <Button onClick={close}>Done</Button>
        </Group>
      </Stack>
    );
  }
  return (
    <form onSubmit={submit} noValidate>
      <Stack gap="md">
        <TextInput
          label="Name"
          placeholder="checkout service"
          data-autofocus
          required
          maxLength={100}
          {...form.getInputProps('name')}
        />
        <Restrictions form={form} />
        {mayLimit && <LimitFields form={form} />}
        <Select
          label="Expires"
          data={EXPIRIES}
          allowDeselect={false}
          {...form.getInputProps('expires')}
        />
        <Problem text={problem} />
        <Group justify="flex-end">
          <Button variant="default" onClick={close}>
            Cancel
          </Button>
          <Button type="submit" loading={isSending}>
            Create key
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
