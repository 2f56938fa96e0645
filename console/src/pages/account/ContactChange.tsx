import { Text, TextInput } from '@mantine/core';
import { useState } from 'react';
import type { Schemas } from '../../api/types';
import { queryClient } from '../../api/queries';
import { me } from '../../session/me';
import { useApiForm } from '../../ui/form';
import { FormBody } from '../../ui/FormModal';
import { OutboxHint } from '../entry/OutboxHint';

interface ContactChangeProps {
  /** What is typed: its label, its field in the API, and how browsers fill it in. */
  label: string;
  field: string;
  type: 'email' | 'tel';
  ask: (value: string) => Promise<Schemas['CodeSent']>;
  confirm: (code: string) => Promise<unknown>;
}

/** A new address or number: a code is sent to it, and it is taken when the code comes back. */
export function ContactChange(props: ContactChangeProps) {
  const [sentTo, setSentTo] = useState<string | null>(null);
  if (sentTo === null) return <Ask {...props} sent={setSentTo} />;
  return (
    <Confirmed
      {...props}
      to={sentTo}
      done={() => {
        setSentTo(null);
      }}
    />
  );
}

function Ask({ label, field, type, ask, sent }: ContactChangeProps & { sent: (to: string) => void }) {
  const form = useApiForm({
    initialValues: { value: '' },
    fields: { [field]: 'value' },
    validate: { value: (value) => (value.trim() ? null : 'Type it here.') },
    send: ({ value }) => ask(value.trim()),
    onSent: (_, { value }) => {
      sent(value.trim());
    },
  });
  return (
    <FormBody of={form} action="Send a code to it">
      <TextInput
        label={label}
        type={type}
        autoComplete={type}
        maw={360}
        {...form.form.getInputProps('value')}
      />
    </FormBody>
  );
}

interface ConfirmedProps extends ContactChangeProps {
  to: string;
  done: () => void;
}

function Confirmed({ confirm, to, done }: ConfirmedProps) {
  const form = useApiForm({
    initialValues: { code: '' },
    said: 'It is changed.',
    send: ({ code }) => confirm(code.trim()),
    onSent: async () => {
      await queryClient.invalidateQueries({ queryKey: me.queryKey });
      done();
    },
  });
  return (
    <FormBody of={form} action="Confirm" close={done}>
      <Text size="sm">We sent a code to {to}.</Text>
      <OutboxHint />
      <TextInput
        label="Code"
        inputMode="numeric"
        autoComplete="one-time-code"
        autoFocus
        maw={360}
        {...form.form.getInputProps('code')}
      />
    </FormBody>
  );
}
