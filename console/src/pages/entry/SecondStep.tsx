import { Anchor, Button, Stack, TextInput } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from '../../api/client';
import { messageOf } from '../../api/error';
import type { Schemas } from '../../api/types';
import { Plain } from '../../app/Plain';
import { canUsePasskeys, signInWithPasskey } from '../../session/passkey';
import { useApiForm } from '../../ui/form';
import { Problem } from '../../ui/Problem';
import { useEnter } from './entry';

interface SecondStepProps {
  pending: Schemas['PendingSignIn'];
  giveUp: () => void;
}

/** What is asked for after the password, where the account has a second factor. */
export function SecondStep({ pending, giveUp }: SecondStepProps) {
  const hasApp = pending.second_factors.includes('totp');
  const hasPasskey = pending.second_factors.includes('passkey') && canUsePasskeys();
  const [isRecovering, setIsRecovering] = useState(!hasApp && !hasPasskey);
  return (
    <Plain
      title="One more step"
      text={
        isRecovering
          ? 'Type one of the recovery codes that you kept. Each works once.'
          : 'Your account has a second factor.'
      }
      foot={
        <>
          <Anchor
            component="button"
            type="button"
            onClick={() => {
              setIsRecovering(!isRecovering);
            }}
          >
            {isRecovering ? 'Use the second factor' : 'Lost it? Use a recovery code'}
          </Anchor>
          <Anchor component="button" type="button" onClick={giveUp}>
            Sign in as somebody else
          </Anchor>
        </>
      }
    >
      <Stack gap="md">
        {hasPasskey && !isRecovering && <PasskeyStep id={pending.id} />}
        {(hasApp || isRecovering) && (
          <CodeStep key={String(isRecovering)} id={pending.id} isRecovering={isRecovering} />
        )}
      </Stack>
    </Plain>
  );
}

function PasskeyStep({ id }: { id: string }) {
  const enter = useEnter();
  const signing = useMutation({ mutationFn: () => signInWithPasskey(id), onSuccess: enter });
  return (
    <>
      <Button
        loading={signing.isPending}
        onClick={() => {
          signing.mutate();
        }}
      >
        Use your passkey
      </Button>
      <Problem text={signing.isError ? messageOf(signing.error) : null} />
    </>
  );
}

function CodeStep({ id, isRecovering }: { id: string; isRecovering: boolean }) {
  const enter = useEnter();
  const { form, submit, isSending, problem } = useApiForm({
    initialValues: { code: '' },
    send: ({ code }) => {
      const body = { id, code: code.trim() };
      return isRecovering
        ? api.POST('/api/sessions/recovery_code', { body })
        : api.POST('/api/sessions/totp', { body });
    },
    onSent: enter,
  });
  return (
    <form onSubmit={submit} noValidate>
      <Stack gap="md">
        <TextInput
          label={isRecovering ? 'Recovery code' : 'Code of your authenticator app'}
          autoComplete="one-time-code"
          inputMode={isRecovering ? 'text' : 'numeric'}
          autoFocus
          {...form.getInputProps('code')}
        />
        <Problem text={problem} />
        <Button type="submit" loading={isSending} fullWidth>
          Sign in
        </Button>
      </Stack>
    </form>
  );
}
