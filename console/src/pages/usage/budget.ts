import { useQuery } from '@tanstack/react-query';
import { api, data } from '../../api/client';
import type { Schemas } from '../../api/types';
import { useOrganization } from '../../session/me';
import { usd } from '../../ui/money';
import { DAY, daysOf, HOUR, monthOf, type Range, type Width } from './range';

type Budget = Schemas['Budget'];

const WINDOWS: Record<string, string> = { day: 'a day', week: 'a week', month: 'a month' };

/** Budgets that begin anew: what they allow can be said of a day. */
export function useBudgets(): Budget[] {
  const { id } = useOrganization();
  const budgets = useQuery({
    queryKey: ['budgets', 'choice', id],
    queryFn: ({ signal }) =>
      data(api.GET('/api/budgets', { params: { query: { limit: 100 } }, signal })),
  });
  return (budgets.data?.data ?? []).filter(({ window }) => window in WINDOWS);
}

/** The budget that is looked at: the chosen one, else the organization's of the shortest window. */
export function budgetOf(budgets: Budget[], chosen: string | undefined): Budget | undefined {
  if (chosen !== undefined) return budgets.find(({ id }) => id === chosen);
  const ours = budgets.filter(({ scope }) => scope.type === 'organization');
  return Object.keys(WINDOWS)
    .map((window) => ours.find((budget) => budget.window === window))
    .find((budget) => budget !== undefined);
}

/** As "$10.00 a day". */
export function termsOf({ limit_usd: limit, window }: Budget): string {
  return `${usd(limit)} ${WINDOWS[window] ?? ''}`;
}

/** What of a budget falls on one bar, if it is spent evenly, and what the line is called. */
export function limitOf(budget: Budget, range: Range, width: Width) {
  const bar = width === 'day' ? DAY : HOUR;
  const day = { day: 1, week: 7, month: daysOf(monthOf(range.end - 1)) };
  const days = day[budget.window as keyof typeof day];
  const isWhole = days * DAY === bar;
  const part = isWhole ? '' : width === 'day' ? ', by day' : ', by hour';
  return {
    value: (Number(budget.limit_usd) * bar) / (days * DAY),
    name: `Budget ${termsOf(budget)}${part}`,
  };
}
