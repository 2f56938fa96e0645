import type { Schemas } from '../../api/types';
import { amountProblem } from '../limits/amount';

/** The limits that a key is born with, as the form holds them; empty means none. */
export interface LimitValues extends Record<string, unknown> {
  budget_usd: string;
  budget_window: Schemas['BudgetWindow'];
  requests_per_minute: number | string;
  tokens_per_minute: number | string;
}

export const UNLIMITED: LimitValues = {
  budget_usd: '',
  budget_window: 'month',
  requests_per_minute: '',
  tokens_per_minute: '',
};

export const limitRules = {
  budget_usd: (amount: string) => (amount.trim() === '' ? null : amountProblem(amount)),
};

/** Which field is meant by what the server says of a limit. */
export const limitFields = { budget: 'budget_usd', rate_limits: 'requests_per_minute' } as const;

/** The part of a request that limits a key: hard, so that the next call is refused. */
export function askedLimits(values: LimitValues) {
  const rate = Object.fromEntries(
    (['requests_per_minute', 'tokens_per_minute'] as const)
      .map((field) => [field, values[field]] as const)
      .filter(([, count]) => count !== ''),
  );
  const amount = values.budget_usd.trim();
  return {
    ...(amount !== '' && {
      budget: {
        limit_usd: amount,
        window: values.budget_window,
        force: 'hard' as const,
        thresholds: [80, 100],
      },
    }),
    ...(Object.keys(rate).length > 0 && { rate_limits: [rate] }),
  };
}
