import { Alert, TextInput } from '@mantine/core';
import { useSearch } from '@tanstack/react-router';
import { useState } from 'react';
import { api, data } from '../../api/client';
import { queryClient } from '../../api/queries';
import type { Schemas } from '../../api/types';
import { Card } from '../../ui/Card';
import { useApiForm } from '../../ui/form';
import { FormBody } from '../../ui/FormModal';
import { Money } from '../../ui/Money';
import { When } from '../../ui/When';

type Redeemed = Schemas['BillingRedemption'];

/** Turns a code into credit. A link may hold the code already: `/billing?code=…`. */
export function Redeem() {
  const { code: linked }: { code?: string | number } = useSearch({ strict: false });
  const [redeemed, setRedeemed] = useState<Redeemed | null>(null);
  const form = useApiForm({
    initialValues: { code: linked === undefined ? '' : String(linked) },
    validate: { code: (code) => (code.trim() ? null : 'Type the code.') },
    send: ({ code }) => data(api.POST('/api/billing/redeem', { body: { code: code.trim() } })),
    onSent: async (answer) => {
      setRedeemed(answer);
      form.form.setFieldValue('code', '');
      await queryClient.invalidateQueries({ queryKey: ['billing'] });
    },
  });
  return (
    <Card title="Redeem a code" text="Its credit is there at once.">
      <FormBody of={form} action="Redeem">
        {redeemed && (
          <Alert role="status" color="fare" title={redeemed.reason}>
            <Money amount={redeemed.amount_usd} /> of credit is yours
            {redeemed.expires_at ? (
              <>
                {' '}
                until <When at={redeemed.expires_at} as="day" />
              </>
            ) : null}
            . The balance is <Money amount={redeemed.balance_usd} />.
          </Alert>
        )}
        <TextInput
          label="Code"
          description="Dashes, spaces and small letters do not matter."
          maw={320}
          autoComplete="off"
          spellCheck={false}
          {...form.form.getInputProps('code')}
        />
      </FormBody>
    </Card>
  );
}
