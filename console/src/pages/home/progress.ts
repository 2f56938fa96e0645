import { useQuery } from '@tanstack/react-query';
import { api, data } from '../../api/client';
import { useMay, useMe, useOrganization } from '../../session/me';
import { useHasNoProject, useProject } from '../../session/project';
import { lastDays } from '../usage/range';

const DAYS = 31;

export interface Progress {
  isVerified: boolean;
  hasKey: boolean;
  /** Whether there is something to spend; null to those who may not see it. */
  hasCredit: boolean | null;
  hasCalled: boolean;
}

/** How far somebody is: what the server knows, so that it is the same in every browser. */
export function useProgress(): Progress | undefined {
  const person = useMe();
  const project = useProject();
  const hasNoProject = useHasNoProject();
  const seesUsage = useMay('api.usage.read');
  const seesBilling = useMay('api.billing.read');
  const { id } = useOrganization();
  const keys = useQuery({
    queryKey: ['keys', project, 'any'],
    enabled: project !== undefined,
    queryFn: ({ signal }) =>
      data(
        api.GET('/api/projects/{project_id}/keys', {
          params: { path: { project_id: project ?? '' }, query: { limit: 100 } },
          signal,
        }),
      ),
  });
  const calls = useQuery({
    queryKey: ['first-call', id, project],
    enabled: seesUsage && project !== undefined,
    retry: false,
    queryFn: async ({ signal }) => {
      const { start } = lastDays(DAYS, Date.now() / 1_000);
      const usage = await data(
        api.GET('/v1/organization/usage/completions', {
          params: { query: { start_time: start, bucket_width: '1d', limit: DAYS } },
          signal,
        }),
      );
      return usage.data.some((bucket) => bucket.results.length > 0);
    },
  });
  const balance = useQuery({
    queryKey: ['billing', 'balance'],
    enabled: seesBilling,
    queryFn: ({ signal }) => data(api.GET('/api/billing/balance', { signal })),
  });
  if ((keys.isPending && !hasNoProject) || (seesBilling && balance.isPending)) return undefined;
  const listed = keys.data?.data ?? [];
  return {
    isVerified: person.email.length > 0,
    hasKey: listed.length > 0,
    hasCredit: balance.data ? Number(balance.data.available_usd) > 0 : null,
    hasCalled: calls.data ?? listed.some((key) => Boolean(key.last_used_at)),
  };
}
