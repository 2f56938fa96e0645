import { Alert } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useSearch } from '@tanstack/react-router';
import { useEffect } from 'react';
import { api, data } from '../../api/client';
import { queryClient } from '../../api/queries';
import type { Schemas } from '../../api/types';
import { usd } from '../../ui/money';

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
        The payment is still open. This page looks again by itself.
      </Alert>
    );
  }
  return (
    <Alert color="red" role="alert" title="Nothing was paid">
      {failure?.message ?? 'The payment was cancelled or took too long. You can begin again.'}
    </Alert>
  );
}
