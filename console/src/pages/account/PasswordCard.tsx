import { PasswordInput } from '@mantine/core';
import { api, data } from '../../api/client';
import { queryClient } from '../../api/queries';
import { useMe } from '../../session/me';
import { Card } from '../../ui/Card';
import { useApiForm } from '../../ui/form';
import { FormBody } from '../../ui/FormModal';
import { passwordProblem } from '../entry/password';

/** A new password; other sessions end with it. */
export function PasswordCard() {
  const { has_password: hasOne, email } = useMe();
  const form = useApiForm({
    initialValues: { new_password: '' },
    validate: { new_password: passwordProblem },
    send: (body) => data(api.POST('/api/me/password', { body })),
    said: 'Your password is changed, and every other session is over.',
    onSent: async () => {
      form.form.reset();
      await queryClient.invalidateQueries({ queryKey: ['me'] });
      await queryClient.invalidateQueries({ queryKey: ['sessions'] });
    },
  });
  return (
    <Card
      title="Password"
      text={
        hasOne
          ? 'Changing it signs you out everywhere else.'
          : 'You have none: you sign in another way. You can choose one.'
      }
    >
      <FormBody of={form} action={hasOne ? 'Change the password' : 'Choose a password'}>
        <input type="text" autoComplete="username" value={email} readOnly hidden />
        <PasswordInput
          label="New password"
          autoComplete="new-password"
          maw={360}
          {...form.form.getInputProps('new_password')}
        />
      </FormBody>
    </Card>
  );
}
