import { Group, Textarea, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { api, data } from '../../api/client';
import type { Schemas } from '../../api/types';
import { useMay } from '../../session/me';
import { Card } from '../../ui/Card';
import { useApiForm } from '../../ui/form';
import { FormBody } from '../../ui/FormModal';
import { Answered } from '../../ui/States';

/** Who receipts are made out to. */
export function Profile() {
  const profile = useQuery({
    queryKey: ['billing', 'profile'],
    queryFn: ({ signal }) => data(api.GET('/api/billing/profile', { signal })),
  });
  return (
    <Card title="Billing details" text="They stand on receipts from now on; issued ones stay.">
      <Answered query={profile}>{(found) => <Form of={found} />}</Answered>
    </Card>
  );
}

function Form({ of: profile }: { of: Schemas['BillingProfile'] }) {
  const { name, address, country, tax_id, email } = profile;
  const form = useApiForm({
    initialValues: { name, address, country, tax_id, email },
    said: 'Saved.',
    send: (body) => data(api.POST('/api/billing/profile', { body })),
  });
  const { getInputProps } = form.form;
  return (
    <FormBody of={form} action="Save" isReadOnly={!useMay('api.billing.write')}>
      <TextInput label="Name" autoComplete="organization" {...getInputProps('name')} />
      <Textarea label="Address" autosize minRows={2} {...getInputProps('address')} />
      <Group grow>
        <TextInput label="Country" placeholder="DE" maxLength={2} {...getInputProps('country')} />
        <TextInput label="Tax id" {...getInputProps('tax_id')} />
      </Group>
      <TextInput label="E-mail for receipts" type="email" {...getInputProps('email')} />
    </FormBody>
  );
}
