import { TextInput } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { api, data } from '../../api/client';
import { queryClient } from '../../api/queries';
import { Card } from '../../ui/Card';
import { useApiForm } from '../../ui/form';
import { FormBody } from '../../ui/FormModal';
import { usd } from '../../ui/money';

/** Turns a code into credit. */
export function Redeem() {
  const form = useApiForm({
    initialValues: { code: '' },
    validate: { code: (code) => (code.trim() ? null : 'Type the code.') },
    send: ({ code }) => data(api.POST('/api/billing/redeem', { body: { code: code.trim() } })),
    onSent: async (redeemed) => {
      notifications.show({ message: `${usd(redeemed.amount_usd)} of credit is yours.` });
      form.form.reset();
      await queryClient.invalidateQueries({ queryKey: ['billing'] });
    },
  });
  return (
    <Card title="Redeem a code">
      <FormBody of={form} action="Redeem">
        <TextInput label="Code" maw={320} spellCheck={false} {...form.form.getInputProps('code')} />
      </FormBody>
    </Card>
  );
}
