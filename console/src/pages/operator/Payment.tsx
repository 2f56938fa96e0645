import { Button, Code, Text, TextInput } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { attemptKey } from '../../api/attempt';
import { api, data } from '../../api/client';
import type { Schemas } from '../../api/types';
import { useApiForm } from '../../ui/form';
import { FormBody, FormModal } from '../../ui/FormModal';
import { Answered } from '../../ui/States';
import { amountProblem } from '../limits/amount';
import { PaymentFacts } from '../billing/PaymentDetail';
import { OrganizationLink } from './OrganizationLink';
import { refreshPayments } from './payments';

type Found = Schemas['OperatorPaymentDetail'];

/** States of payments of which something can still go back. */
const REFUNDABLE = ['succeeded', 'partly_refunded'];

/** One payment of any organization, and its refunds. */
export function Payment({ id }: { id: string }) {
  const payment = useQuery({
    queryKey: ['operator', 'payments', 'one', id],
    queryFn: ({ signal }) =>
      data(
        api.GET('/api/operator/payments/{payment_id}', {
          params: { path: { payment_id: id } },
          signal,
        }),
      ),
  });
  return (
    <Answered query={payment}>
      {(found) => (
        <PaymentFacts
          of={found}
          more={[
            ['Organization', <OrganizationLink key="organization" id={found.organization_id} />],
            ['At the provider', found.charge ? <Code key="charge">{found.charge}</Code> : 'Nothing'],
          ]}
        >
          {found.kind !== 'setup' && REFUNDABLE.includes(found.status) && <Refund of={found} />}
        </PaymentFacts>
      )}
    </Answered>
  );
}

function Refund({ of: payment }: { of: Found }) {
  const [isOpen, opening] = useDisclosure();
  return (
    <>
      <Button variant="default" onClick={opening.open}>
        Refund
      </Button>
      <FormModal isOpen={isOpen} close={opening.close} title="Refund">
        <RefundForm of={payment} close={opening.close} />
      </FormModal>
    </>
  );
}

function RefundForm({ of: payment, close }: { of: Found; close: () => void }) {
  // One key for one dialog: pressing twice refunds once.
  const [key] = useState(attemptKey);
  const form = useApiForm({
    initialValues: { amount_usd: '', reason: '' },
    validate: {
      amount_usd: (amount) => (amount.trim() === '' ? null : amountProblem(amount)),
      reason: (reason) => (reason.trim() ? null : 'Say why; the books keep it.'),
    },
    said: 'The refund is on its way.',
    send: ({ amount_usd: amount, reason }) =>
      data(
        api.POST('/api/operator/payments/{payment_id}/refunds', {
          params: { path: { payment_id: payment.id } },
          body: {
            reason: reason.trim(),
            key,
            ...(amount.trim() && { amount_usd: amount.trim() }),
          },
        }),
      ),
    onSent: async () => {
      await refreshPayments();
      close();
    },
  });
  const { getInputProps } = form.form;
  return (
    <FormBody of={form} action="Refund" close={close}>
      <Text size="sm">
        Only what is neither spent nor held goes back, to the card, with its share of the tax.
      </Text>
      <TextInput
        label="Credit in USD"
        placeholder="All that can go back"
        inputMode="decimal"
        data-autofocus
        {...getInputProps('amount_usd')}
      />
      <TextInput
        label="Why"
        description="The organization’s audit log tells it too."
        {...getInputProps('reason')}
      />
    </FormBody>
  );
}
