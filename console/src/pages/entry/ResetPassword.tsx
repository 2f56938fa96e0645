import { Alert, Anchor, Button, PasswordInput, Stack } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { api } from '../../api/client';
import { Plain } from '../../app/Plain';
import { useApiForm } from '../../ui/form';
import { Problem } from '../../ui/Problem';
import { secretInAddress } from './entry';
import { passwordProblem } from './password';

/** Where the link of the mail leads: a new password is chosen. */
export default function ResetPassword() {
  const [isDone, setIsDone] = useState(false);
  const { form, submit, isSending, problem } = useApiForm({
    initialValues: { new_password: '' },
    validate: { new_password: passwordProblem },
    send: ({ new_password }) =>
      api.POST('/api/password_resets/complete', {
        body: { secret: secretInAddress(), new_password },
      }),
    onSent: () => {
      setIsDone(true);
    },
  });
  return (
    <Plain
      title="Choose a new password"
      foot={
        <Anchor component={Link} to="/sign-in">
          {isDone ? 'Sign in' : 'Back to signing in'}
        </Anchor>
      }
    >
      {isDone ? (
        <Alert role="status" color="fare" title="Your password is changed">
          You were signed out everywhere. Sign in with the new one.
        </Alert>
      ) : (
        <form onSubmit={submit} noValidate>
          <Stack gap="md">
            <PasswordInput
              label="New password"
              description="At least 8 characters, and hard to guess: a few unrelated words do."
              autoComplete="new-password"
              autoFocus
              {...form.getInputProps('new_password')}
            />
            <Problem text={problem} />
            <Button type="submit" loading={isSending} fullWidth>
              Change the password
            </Button>
          </Stack>
        </form>
      )}
    </Plain>
  );
}
