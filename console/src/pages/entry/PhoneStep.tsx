import { Button, Stack, Text, TextInput } from '@mantine/core';
import { api, data } from '../../api/client';
import type { Schemas } from '../../api/types';
import { useApiForm } from '../../ui/form';
import { Problem } from '../../ui/Problem';

interface PhoneStepProps {
  id: string;
  go: (signup: Schemas['Signup']) => Promise<void>;
}

/** A number that a code is sent to. */
export function PhoneStep({ id, go }: PhoneStepProps) {
  const { form, submit, isSending, problem } = useApiForm({
    initialValues: { phone: '' },
    validate: {
      phone: (value) =>
        /^\s*\+[\d\s().-]{6,}$/.test(value) ? null : 'Begin with + and the code of your country.',
    },
    send: ({ phone }) => data(api.POST('/api/signup/phone', { body: { id, phone: phone.trim() } })),
    onSent: go,
  });
  return (
    <form onSubmit={submit} noValidate>
      <Stack gap="md">
        <Text size="sm">We send a code to your phone. The number is kept for nothing else.</Text>
        <TextInput
          label="Phone number"
          placeholder="+49 30 901820"
          type="tel"
          autoComplete="tel"
          autoFocus
          {...form.getInputProps('phone')}
        />
        <Problem text={problem} />
        <Button type="submit" loading={isSending} fullWidth>
          Send the code
        </Button>
      </Stack>
    </form>
  );
}
