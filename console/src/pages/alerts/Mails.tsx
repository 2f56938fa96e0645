import { Select, Text, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { api, data } from '../../api/client';
import { queryClient } from '../../api/queries';
import type { Schemas } from '../../api/types';
import { useMay } from '../../session/me';
import { Card } from '../../ui/Card';
import { useApiForm } from '../../ui/form';
import { FormBody } from '../../ui/FormModal';
import { Answered, Loading } from '../../ui/States';
import { amountProblem } from '../limits/amount';
import { KINDS, type Kind } from './kinds';
import classes from './Mails.module.css';

type Settings = Schemas['AlertSettings'];

const KEY = ['alert-settings'];

const RECIPIENTS = [
  { value: 'owners', label: 'Owners' },
  { value: 'billing', label: 'The billing address' },
  { value: 'owners_and_billing', label: 'Owners and billing' },
  { value: 'nobody', label: 'Nobody' },
];

/** Who gets the mails of which alert, and when the balance counts as low. */
export function Mails() {
  const settings = useQuery({
    queryKey: KEY,
    queryFn: ({ signal }) => data(api.GET('/api/alert_settings', { signal })),
  });
  return (
    <Card
      title="Who gets a mail"
      text="The billing address is in Billing, under receipts and statements; without one, owners get it."
    >
      <Answered query={settings} loading={<Loading lines={12} height={44} />}>
        {(found) => <Form of={found} />}
      </Answered>
    </Card>
  );
}

function Form({ of: settings }: { of: Settings }) {
  const form = useApiForm({
    initialValues: { low_balance_usd: settings.low_balance_usd, mails: settings.mails },
    validate: { low_balance_usd: amountProblem },
    said: 'Saved.',
    send: (values) =>
      data(
        api.POST('/api/alert_settings', {
          body: { low_balance_usd: values.low_balance_usd.trim(), mails: values.mails },
        }),
      ),
    onSent: (saved) => {
      queryClient.setQueryData(KEY, saved);
    },
  });
  const { getInputProps } = form.form;
  return (
    <FormBody of={form} action="Save" isReadOnly={!useMay('api.management.write')}>
      <TextInput
        label="Low balance, in USD"
        description="Told when the balance falls below it; 0: never."
        inputMode="decimal"
        maw={320}
        {...getInputProps('low_balance_usd')}
      />
      <div className={classes.kinds}>
        {KINDS.filter(({ id }) => id in settings.mails).map((kind) => (
          <Select
            key={kind.id}
            classNames={{ root: classes.kind, wrapper: classes.choice, description: classes.text }}
            label={kind.name}
            description={<About kind={kind} />}
            data={RECIPIENTS}
            allowDeselect={false}
            {...getInputProps(`mails.${kind.id}`)}
          />
        ))}
      </div>
    </FormBody>
  );
}

function About({ kind: { text, always } }: { kind: Kind }) {
  return (
    <Text span size="sm" c="dimmed">
      {text} {always}
    </Text>
  );
}
