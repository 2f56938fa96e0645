import { Alert, Anchor, Group, Select, Switch, Text, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { api, data } from '../../api/client';
import type { Schemas } from '../../api/types';
import { useMay } from '../../session/me';
import { Card } from '../../ui/Card';
import { useApiForm } from '../../ui/form';
import { FormBody } from '../../ui/FormModal';
import { Answered } from '../../ui/States';
import { amountProblem } from '../limits/amount';
import { cardName, useMethods } from './Methods';

type Recharge = Schemas['AutoRecharge'];

const STATES: Record<Recharge['state'], string> = {
  off: 'Off.',
  armed: 'On: it buys when the balance falls below the threshold.',
  in_flight: 'A recharge is on its way.',
  backing_off: 'The card was declined. It is tried again later.',
  gave_up: 'Off after three declines. Check the card, then switch it on again.',
  needs_authentication: 'Your bank wants you to confirm the payment.',
  cap_reached: 'The cap of this month is reached.',
};

/** Credit that tops itself up. */
export function AutoRecharge() {
  const mayWrite = useMay('api.billing.write');
  const recharge = useQuery({
    queryKey: ['billing', 'recharge'],
    queryFn: ({ signal }) => data(api.GET('/api/billing/auto_recharge', { signal })),
  });
  return (
    <Card
      title="Auto-recharge"
      text="Buys credit with a saved card before it runs out, at most once at a time."
    >
      <Answered query={recharge}>
        {(found) =>
          mayWrite ? (
            <Form of={found} changed={recharge.refetch} />
          ) : (
            <Text size="sm">{STATES[found.state]}</Text>
          )
        }
      </Answered>
    </Card>
  );
}

interface FormProps {
  of: Recharge;
  changed: () => Promise<unknown>;
}

function Form({ of: recharge, changed }: FormProps) {
  const methods = useMethods();
  const form = useApiForm({
    initialValues: {
      enabled: recharge.enabled,
      threshold_usd: recharge.threshold_usd ?? '5.00',
      restore_to_usd: recharge.restore_to_usd ?? '25.00',
      monthly_cap_usd: recharge.monthly_cap_usd ?? '',
      payment_method_id: recharge.payment_method_id ?? '',
    },
    validate: {
      threshold_usd: amountProblem,
      restore_to_usd: amountProblem,
      monthly_cap_usd: (cap) => (cap.trim() === '' ? null : amountProblem(cap)),
    },
    said: 'Saved.',
    send: (values) =>
      data(
        api.POST('/api/billing/auto_recharge', {
          body: {
            enabled: values.enabled,
            threshold_usd: values.threshold_usd.trim(),
            restore_to_usd: values.restore_to_usd.trim(),
            monthly_cap_usd: values.monthly_cap_usd.trim() || null,
            payment_method_id: values.payment_method_id || null,
          },
        }),
      ),
    onSent: async () => {
      await changed();
    },
  });
  const { getInputProps } = form.form;
  const link = recharge.authentication_url;
  return (
    <FormBody of={form} action="Save">
      <Alert color={recharge.state === 'armed' || recharge.state === 'off' ? 'gray' : 'yellow'}>
        {STATES[recharge.state]} {link && <Anchor href={link}>Confirm the payment</Anchor>}
      </Alert>
      <Switch label="On" {...getInputProps('enabled', { type: 'checkbox' })} />
      <Group grow align="flex-start">
        <TextInput
          label="When the balance falls below"
          inputMode="decimal"
          {...getInputProps('threshold_usd')}
        />
        <TextInput
          label="Bring it back to"
          inputMode="decimal"
          {...getInputProps('restore_to_usd')}
        />
        <TextInput
          label="At most in a month"
          placeholder="No cap"
          inputMode="decimal"
          {...getInputProps('monthly_cap_usd')}
        />
      </Group>
      <Select
        label="Card"
        placeholder="The default one"
        clearable
        data={(methods.data?.data ?? []).map((method) => ({
          value: method.id,
          label: cardName(method),
        }))}
        {...getInputProps('payment_method_id')}
      />
    </FormBody>
  );
}
