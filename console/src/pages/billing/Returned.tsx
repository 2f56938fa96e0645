import { Alert, Button, Group, Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useSearch } from '@tanstack/react-router';
import { useEffect } from 'react';
import { api, data } from '../../api/client';
import { queryClient } from '../../api/queries';
import type { Schemas } from '../../api/types';
import { useMay } from '../../session/me';
import { usd } from '../../ui/money';
import { useAction } from '../../ui/useAction';

const LOOK_MS = 1_500;
const OPEN = ['open', 'processing'];

/** How the payment went that somebody comes back from. The server looks itself; the address says nothing. */
export function Returned() {
  const { checkout }: { checkout?: string } = useSearch({ strict: false });
  const payment = useQuery<Schemas['BillingPayment']>({
    queryKey: ['billing', 'returned', checkout],
    enabled: checkout !== undefined,
    refetchInterval: ({ state }) =>
      state.data && OPEN.includes(state.data.status) ? LOOK_MS : false,
    queryFn: ({ signal }) =>
      data(
        api.GET('/api/billing/checkouts/{checkout_id}', {
          params: { path: { checkout_id: checkout ?? '' } },
          signal,
        }),
      ),
  });
  const status = payment.data?.status;
  useEffect(() => {
    if (status === 'succeeded') {
      void queryClient.invalidateQueries({
        predicate: ({ queryKey }) => queryKey[0] === 'billing' && queryKey[1] !== 'returned',
      });
    }
  }, [status]);
  if (!payment.data) return null;
  const { amount_usd: amount, failure, kind } = payment.data;
  if (status === 'succeeded') {
    return (
      <Alert color="fare" role="status" title="Thank you">
        {kind === 'setup' ? 'The card is saved.' : `${usd(amount)} of credit is yours.`}
      </Alert>
    );
  }
  if (status !== undefined && OPEN.includes(status)) {
    return (
      <Alert color="yellow" role="status" title="Not paid yet">
        <Stack gap="sm" align="flex-start">
          <Text size="sm">The payment is still open. This page looks again by itself.</Text>
          <Open payment={payment.data} />
        </Stack>
      </Alert>
    );
  }
  return (
    <Alert color="red" role="alert" title="Nothing was paid">
      {failure?.message ?? 'The payment was cancelled or took too long. You can begin again.'}
    </Alert>
  );
}

/** What can be done with a payment that was begun and not finished. */
function Open({ payment }: { payment: Schemas['BillingPayment'] }) {
  const cancel = useAction(async () => {
    await api.POST('/api/billing/checkouts/{checkout_id}/cancel', {
      params: { path: { checkout_id: payment.id } },
    });
    await queryClient.invalidateQueries({ queryKey: ['billing'] });
  });
  if (!useMay('api.billing.write') || payment.status !== 'open') return null;
  return (
    <Group gap="xs">
      {payment.url && (
        <Button component="a" href={payment.url} size="compact-md">
          Go on paying
        </Button>
      )}
      <Button
        variant="default"
        size="compact-md"
        loading={cancel.isRunning}
        onClick={() => {
          cancel.run();
        }}
      >
        Cancel the payment
      </Button>
    </Group>
  );
}
