import { TextInput } from '@mantine/core';
import { api, data } from '../../api/client';
import { queryClient } from '../../api/queries';
import { me, useMe } from '../../session/me';
import { Card } from '../../ui/Card';
import { useApiForm } from '../../ui/form';
import { FormBody } from '../../ui/FormModal';

/** The name that others see. */
export function ProfileCard() {
  const form = useApiForm({
    initialValues: { name: useMe().name },
    validate: { name: (name) => (name.trim() ? null : 'Type a name.') },
    said: 'Your name is changed.',
    send: ({ name }) => data(api.POST('/api/me', { body: { name: name.trim() } })),
    onSent: () => queryClient.invalidateQueries({ queryKey: me.queryKey }),
  });
  return (
    <Card title="Profile">
      <FormBody of={form} action="Save">
        <TextInput
          label="Name"
          description="Members of your organizations see it."
          autoComplete="name"
          maxLength={256}
          maw={360}
          {...form.form.getInputProps('name')}
        />
      </FormBody>
    </Card>
  );
}
