import { Anchor, Button, Group, Stack, Text, TextInput } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { api, data } from '../../api/client';
import { messageOf } from '../../api/error';
import type { Schemas } from '../../api/types';
import { useApiForm } from '../../ui/form';
import { Problem } from '../../ui/Problem';
import { useSecondsUntil } from '../../ui/useSecondsUntil';
import { OutboxHint } from './OutboxHint';

type Signup = Schemas['Signup'];

interface CodeStepProps {
  kind: 'email' | 'phone';
  signup: Signup | null;
  go: (signup: Signup) => Promise<void>;
}

const WORDS = {
  email: { label: 'Code from the mail', text: 'We sent six digits to your address.' },
  phone: { label: 'Code from the text message', text: 'We sent six digits to your phone.' },
};

/** The six digits that prove an address or a number. */
export function CodeStep({ kind, signup, go }: CodeStepProps) {
  const id = signup?.id ?? '';
  const { form, submit, isSending, problem } = useApiForm({
    initialValues: { code: '' },
    validate: { code: (value) => (/^\s*\d{6}\s*$/.test(value) ? null : 'Type the six digits.') },
    send: ({ code }) => {
      const body = { id, code: code.trim() };
      return kind === 'email'
        ? data(api.POST('/api/signup/email_code', { body }))
        : data(api.POST('/api/signup/phone_code', { body }));
    },
    onSent: go,
  });
  return (
    <form onSubmit={submit} noValidate>
      <Stack gap="md">
        <Text size="sm">{WORDS[kind].text}</Text>
        <OutboxHint />
        <TextInput
          key={kind}
          label={WORDS[kind].label}
          inputMode="numeric"
          autoComplete="one-time-code"
          maxLength={12}
          autoFocus
          {...form.getInputProps('code')}
        />
        <Problem text={problem} />
        <Button type="submit" loading={isSending} fullWidth>
          Go on
        </Button>
        <Resend id={id} firstAt={signup?.resend_at ?? null} />
      </Stack>
    </form>
  );
}

function Resend({ id, firstAt }: { id: string; firstAt: number | null }) {
  const [at, setAt] = useState(firstAt);
  const seconds = useSecondsUntil(at);
  const sending = useMutation({
    mutationFn: () => data(api.POST('/api/signup/resend', { body: { id } })),
    onSuccess: (answer) => {
      setAt(answer.resend_at ?? null);
      notifications.show({ message: 'Another code is on its way. Earlier ones work no more.' });
    },
  });
  return (
    <Group gap="xs" justify="center">
      {seconds > 0 ? (
        <Text size="sm" c="dimmed">
          No code? Another one can be sent in {seconds} s.
        </Text>
      ) : (
        <Anchor
          component="button"
          type="button"
          size="sm"
          disabled={sending.isPending}
          onClick={() => {
            sending.mutate();
          }}
        >
          Send another code
        </Anchor>
      )}
      <Problem text={sending.isError ? messageOf(sending.error) : null} />
    </Group>
  );
}
