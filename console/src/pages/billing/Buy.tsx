import { Alert, Checkbox, Chip, Group, Stack, Text, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { attemptKey } from '../../api/attempt';
import { api, data } from '../../api/client';
import type { Schemas } from '../../api/types';
import { useMay } from '../../session/me';
import { Card } from '../../ui/Card';
import { useApiForm } from '../../ui/form';
import { FormBody } from '../../ui/FormModal';
import { usd } from '../../ui/money';
import { Answered } from '../../ui/States';
import { Returned } from './Returned';

type Options = Schemas['BillingOptions'];

/** How much can be bought, and for what tax. */
export function useOptions() {
  return useQuery({
    queryKey: ['billing', 'options'],
    staleTime: 60_000,
    queryFn: ({ signal }) => data(api.GET('/api/billing/options', { signal })),
  });
}

/** Buys credit: leads to the page where a card is typed in, and back here. */
export function Buy() {
  const options = useOptions();
  return (
    <Card title="Buy credit">
      <Stack gap="md">
        <Returned />
        <Answered query={options}>{(found) => <Form options={found} />}</Answered>
      </Stack>
    </Card>
  );
}

function Form({ options }: { options: Options }) {
  // One key for one form: pressing twice orders once.
  const [key] = useState(attemptKey);
  const form = useApiForm({
    initialValues: { amount_usd: options.presets_usd[0] ?? options.minimum_usd, save_method: true },
    send: ({ amount_usd, save_method }) =>
      data(
        api.POST('/api/billing/checkouts', {
          params: { header: { 'Idempotency-Key': key } } as never,
          body: { amount_usd: amount_usd.trim(), save_method },
        }),
      ),
    onSent: (payment) => {
      if (payment.url) window.location.assign(payment.url);
    },
  });
  const { values, setFieldValue, getInputProps } = form.form;
  const mayPay = useMay('api.billing.write');
  if (!options.can_pay || !mayPay) {
    return (
      <Alert color="yellow">
        {!options.can_pay
          ? 'This installation takes no payments. Ask whoever runs it for credit.'
          : 'You may see this, and not pay. Owners of the organization may.'}
      </Alert>
    );
  }
  return (
    <FormBody of={form} action="Go to payment">
      <Chip.Group
        value={values.amount_usd}
        onChange={(amount) => {
          setFieldValue('amount_usd', amount);
        }}
      >
        <Group gap="xs" role="group" aria-label="Amounts">
          {options.presets_usd.map((amount) => (
            <Chip key={amount} value={amount}>
              {usd(amount)}
            </Chip>
          ))}
        </Group>
      </Chip.Group>
      <TextInput
        label="Amount in USD"
        description={`From ${usd(options.minimum_usd)} to ${usd(options.maximum_usd)}.`}
        inputMode="decimal"
        maw={240}
        {...getInputProps('amount_usd')}
      />
      {Number(options.tax_percent) > 0 && (
        <Text size="sm" c="dimmed">
          {options.tax_percent} % tax is added.
        </Text>
      )}
      <Checkbox
        label="Keep the card for later, and for auto-recharge"
        {...getInputProps('save_method', { type: 'checkbox' })}
      />
      {options.provider === 'test' && (
        <Text size="sm" c="dimmed">
          A test installation: no money moves. Pay with 4242 4242 4242 4242; 4000 0000 0000 0002 is
          declined, 4000 0025 0000 3155 asks for 3-D Secure.
        </Text>
      )}
    </FormBody>
  );
}
