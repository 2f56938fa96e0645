import { Button, Group, Modal, PasswordInput, Stack, Text, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { api, data } from '../api/client';
import { useApiForm } from '../ui/form';
import { Problem } from '../ui/Problem';
import { useMaybeMe } from './me';
import { onProofNeeded, prove } from './proof';

type Answer = (isProved: boolean) => void;

/** Asks people to prove once more who they are, whenever something they do needs it. */
export function ProofGate() {
  const [answer, setAnswer] = useState<Answer | null>(null);

  useEffect(() => {
    onProofNeeded(
      () =>
        new Promise((resolve) => {
          setAnswer(() => resolve);
        }),
    );
  }, []);

  const end = (isProved: boolean) => {
    answer?.(isProved);
    setAnswer(null);
  };
  return (
    <Modal
      opened={answer !== null}
      onClose={() => {
        end(false);
      }}
      title="Confirm that it is you"
    >
      {answer && <Proof end={end} />}
    </Modal>
  );
}

function Proof({ end }: { end: Answer }) {
  const hasPassword = useMaybeMe()?.has_password ?? true;
  const factors = useQuery({
    queryKey: ['factors'],
    queryFn: ({ signal }) => data(api.GET('/api/me/factors', { signal })),
  });
  const hasApp = Boolean(factors.data?.totp);
  const { form, submit, isSending, problem } = useApiForm({
    initialValues: { current_password: '', code: '' },
    send: ({ current_password, code }) =>
      prove(hasPassword ? { current_password } : { code: code.trim() }),
    onSent: () => {
      end(true);
    },
  });
  return (
    <form onSubmit={submit}>
      <Stack gap="md">
        <Text size="sm">This changes how people get in, so it needs a fresh proof.</Text>
        {hasPassword && (
          <PasswordInput
            label="Password"
            autoComplete="current-password"
            data-autofocus
            {...form.getInputProps('current_password')}
          />
        )}
        {!hasPassword && hasApp && (
          <TextInput
            label="Code of your authenticator app"
            inputMode="numeric"
            autoComplete="one-time-code"
            data-autofocus
            {...form.getInputProps('code')}
          />
        )}
        {!hasPassword && !hasApp && (
          <Text size="sm">Sign out and in again, then come back: that is the proof.</Text>
        )}
        <Problem text={problem} />
        <Group justify="flex-end">
          <Button
            variant="default"
            onClick={() => {
              end(false);
            }}
          >
            Cancel
          </Button>
          {(hasPassword || hasApp) && (
            <Button type="submit" loading={isSending}>
              Confirm
            </Button>
          )}
        </Group>
      </Stack>
    </form>
  );
}
