import { Alert, Anchor, Button, Stack, TextInput } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { api, data } from '../../api/client';
import { Plain } from '../../app/Plain';
import { useApiForm } from '../../ui/form';
import { Problem } from '../../ui/Problem';

/** Asks for a link to choose a new password with. */
export default function ForgotPassword() {
  const [minutes, setMinutes] = useState<number | null>(null);
  const { form, submit, isSending, problem } = useApiForm({
    initialValues: { email: '' },
    validate: {
      email: (value) => (value.includes('@') ? null : 'Type the address of your account.'),
    },
    send: (body) => data(api.POST('/api/password_resets', { body })),
    onSent: (answer) => {
      setMinutes(answer.expires_in_minutes);
    },
  });
  return (
    <Plain
      title="Choose a new password"
      text="You get a mail with a link."
      foot={
        <Anchor component={Link} to="/sign-in">
          Back to signing in
        </Anchor>
      }
    >
      {minutes === null ? (
        <form onSubmit={submit} noValidate>
          <Stack gap="md">
            <TextInput
              label="E-mail"
              type="email"
              autoComplete="username"
              autoFocus
              {...form.getInputProps('email')}
            />
            <Problem text={problem} />
            <Button type="submit" loading={isSending} fullWidth>
              Send the link
            </Button>
          </Stack>
        </form>
      ) : (
        <Alert role="status" color="fare" title="Look into your mail">
          If there is an account with this address, a link is on its way. It works for {minutes}{' '}
          minutes.
        </Alert>
      )}
    </Plain>
  );
}
