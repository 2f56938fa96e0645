import { Button, PasswordInput, Stack, Text, TextInput } from '@mantine/core';
import { api, data } from '../../api/client';
import type { Schemas } from '../../api/types';
import { useApiForm } from '../../ui/form';
import { usd } from '../../ui/money';
import { Problem } from '../../ui/Problem';
import { passwordProblem } from './password';

interface AccountStepProps {
  /** The secret of an invite: its organization is joined, and none is made. */
  invite: string | undefined;
  /** What is granted at the end, in USD; null if nothing is. */
  trial: string | null;
  go: (signup: Schemas['Signup']) => Promise<void>;
}

/** Who signs up, and with which password. */
export function AccountStep({ invite, trial, go }: AccountStepProps) {
  const { form, submit, isSending, problem } = useApiForm({
    initialValues: { name: '', email: '', password: '', organization: '' },
    validate: {
      email: (value) => (value.includes('@') ? null : 'Type your e-mail address.'),
      password: passwordProblem,
    },
    send: ({ email, password, name, organization }) =>
      data(
        api.POST('/api/signup', {
          body: {
            email: email.trim(),
            password,
            ...(name.trim() && { name: name.trim() }),
            ...(organization.trim() && { organization: organization.trim() }),
            ...(invite !== undefined && { invite }),
          },
        }),
      ),
    onSent: go,
  });
  return (
    <form onSubmit={submit} noValidate>
      <Stack gap="md">
        {trial !== null && (
          <Text size="sm" c="dimmed">
            New accounts start with {usd(trial)} of credit.
          </Text>
        )}
        <TextInput label="Name" autoComplete="name" autoFocus {...form.getInputProps('name')} />
        <TextInput
          label="E-mail"
          type="email"
          autoComplete="username"
          required
          {...form.getInputProps('email')}
        />
        <PasswordInput
          label="Password"
          description="At least 8 characters, and hard to guess: a few unrelated words do."
          autoComplete="new-password"
          required
          {...form.getInputProps('password')}
        />
        {invite === undefined && (
          <TextInput
            label="Organization"
            description="Whoever you build for; you can rename it."
            autoComplete="organization"
            {...form.getInputProps('organization')}
          />
        )}
        <Problem text={problem} />
        <Button type="submit" loading={isSending} fullWidth>
          Create account
        </Button>
      </Stack>
    </form>
  );
}
