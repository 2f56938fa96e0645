import { useQuery } from '@tanstack/react-query';
import { api, data } from '../../api/client';
import { useOrganization } from '../../session/me';

/** The organization's daily budget in USD, which the chart draws a line for; undefined without one. */
export function useDailyBudget(): number | undefined {
  const { id } = useOrganization();
  const budgets = useQuery({
    queryKey: ['budgets', 'choice', id],
    queryFn: ({ signal }) => data(api.GET('/api/budgets', { params: { query: { limit: 100 } }, signal })),
  });
  const daily = budgets.data?.data.find(
    ({ window, scope }) => window === 'day' && scope.type === 'organization',
  );
  return daily ? Number(daily.limit_usd) : undefined;
}
