import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { api, data } from '../../api/client';
import type { Schemas } from '../../api/types';
import { sumUsd } from '../../ui/money';
import { daysOf, type Range } from '../usage/range';

type Cost = Schemas['UpstreamCost'];

export type Split = 'model' | 'upstream_id';

/** What came in, went out, and was left: of a day, a model, an upstream, or all. */
export interface Line {
  id: string;
  revenue: string;
  cost: string;
  margin: string;
  requests: number;
}

export interface Revenue {
  days: (Line & { start: number; end: number })[];
  /** By model or upstream, what earned most first. */
  parts: Line[];
  total: Line;
}

/** What customers were charged, and what that cost us at the upstreams. */
export function useRevenue(range: Range, split: Split) {
  return useQuery({
    queryKey: ['operator', 'revenue', range, split],
    staleTime: 10_000,
    placeholderData: keepPreviousData,
    queryFn: async ({ signal }) => {
      const page = await data(
        api.GET('/api/operator/upstream_costs', {
          params: {
            query: {
              start_time: range.start,
              end_time: range.end,
              limit: daysOf(range),
              group_by: [split],
            },
          },
          signal,
        }),
      );
      return fold(page.data, split);
    },
  });
}

/** Puts the results of an answer together, by day and by part. */
export function fold(buckets: Schemas['Bucket_UpstreamCost'][], split: Split): Revenue {
  const all = buckets.flatMap(({ results }) => results);
  const parts = new Map<string, Cost[]>();
  for (const cost of all) {
    const id = cost[split] ?? '';
    parts.set(id, [...(parts.get(id) ?? []), cost]);
  }
  return {
    days: buckets.map(({ start_time: start, end_time: end, results }) => ({
      ...together(String(start), results),
      start,
      end,
    })),
    parts: [...parts]
      .map(([id, costs]) => together(id, costs))
      .sort((one, other) => Number(other.revenue) - Number(one.revenue)),
    total: together('total', all),
  };
}

function together(id: string, costs: Cost[]): Line {
  return {
    id,
    revenue: sumUsd(costs.map(({ revenue_usd: revenue }) => revenue)),
    cost: sumUsd(costs.map(({ cost_usd: cost }) => cost)),
    margin: sumUsd(costs.map(({ margin_usd: margin }) => margin)),
    requests: costs.reduce((sum, { num_model_requests: requests }) => sum + requests, 0),
  };
}

/** The margin's share of the revenue, as "92 %"; nothing without revenue. */
export function shareOf({ margin, revenue }: Pick<Line, 'margin' | 'revenue'>): string {
  const earned = Number(revenue);
  return earned > 0 ? `${Math.round((100 * Number(margin)) / earned)} %` : '';
}
