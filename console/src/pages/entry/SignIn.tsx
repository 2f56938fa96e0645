import { Alert, Anchor, Button, Divider, PasswordInput, Stack, TextInput } from '@mantine/core';
import { IconFingerprint } from '@tabler/icons-react';
import { useMutation, useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { api, data } from '../../api/client';
import { messageOf } from '../../api/error';
import type { Schemas } from '../../api/types';
import { Plain } from '../../app/Plain';
import { canUsePasskeys, signInWithPasskey } from '../../session/passkey';
import { useApiForm } from '../../ui/form';
import { Problem } from '../../ui/Problem';
import { safeReturn, useEnter, useParam } from './entry';
import { SecondStep } from './SecondStep';
import { ssoProblem } from './ssoProblem';

type Pending = Schemas['PendingSignIn'];

/** Signing in: a password, a passkey, or an account elsewhere; then the second step, if there is one. */
export default function SignIn() {
  const [pending, setPending] = useState<Pending | null>(null);
  if (pending) {
    return (
      <SecondStep
        pending={pending}
        giveUp={() => {
          setPending(null);
        }}
      />
    );
  }
  return (
    <Plain
      title="Sign in"
      foot={
        <span>
          New here?{' '}
          <Anchor component={Link} to="/sign-up">
            Create an account
          </Anchor>
        </span>
      }
    >
      <FirstStep ask={setPending} />
    </Plain>
  );
}

function FirstStep({ ask }: { ask: (pending: Pending) => void }) {
  const enter = useEnter();
  const code = useParam('error');
  const { form, submit, isSending, problem } = useApiForm({
    initialValues: { email: '', password: '' },
    validate: {
      email: (value) => (value.includes('@') ? null : 'Type the address of your account.'),
      password: (value) => (value ? null : 'Type your password.'),
    },
    send: async (body) => {
      const { data: answer, response } = await api.POST('/api/sessions', { body });
      return response.status === 202 ? (answer as unknown as Pending) : null;
    },
    onSent: async (waiting) => {
      if (waiting) ask(waiting);
      else await enter();
    },
  });
  return (
    <Stack gap="md">
      {code && <Alert color="red">{ssoProblem(code)}</Alert>}
      <form onSubmit={submit} noValidate>
        <Stack gap="md">
          <TextInput
            label="E-mail"
            type="email"
            autoComplete="username webauthn"
            autoFocus
            {...form.getInputProps('email')}
          />
          <PasswordInput
            label="Password"
            autoComplete="current-password"
            {...form.getInputProps('password')}
          />
          <Anchor component={Link} to="/forgot-password" size="sm">
            Forgot your password?
          </Anchor>
          <Problem text={problem} />
          <Button type="submit" loading={isSending} fullWidth>
            Sign in
          </Button>
        </Stack>
      </form>
      <OtherWays />
    </Stack>
  );
}

function OtherWays() {
  const enter = useEnter();
  const wanted = safeReturn(useParam('return_to'));
  const providers = useQuery({
    queryKey: ['sso'],
    queryFn: ({ signal }) => data(api.GET('/api/sso', { signal })),
    staleTime: Infinity,
  });
  const passkey = useMutation({ mutationFn: () => signInWithPasskey(), onSuccess: enter });
  const listed = providers.data?.data ?? [];
  if (!canUsePasskeys() && listed.length === 0) return null;
  return (
    <>
      <Divider label="or" labelPosition="center" />
      {listed.map(({ id, name, start }) => (
        <Button
          key={id}
          component="a"
          href={`${start}?return_to=${encodeURIComponent(wanted)}`}
          variant="default"
        >
          Continue with {name}
        </Button>
      ))}
      {canUsePasskeys() && (
        <Button
          variant="default"
          leftSection={<IconFingerprint size={18} />}
          loading={passkey.isPending}
          onClick={() => {
            passkey.mutate();
          }}
        >
          Use a passkey
        </Button>
      )}
      <Problem text={passkey.isError ? messageOf(passkey.error) : null} />
    </>
  );
}
