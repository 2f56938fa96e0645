import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { api, data } from '../../api/client';
import type { Schemas } from '../../api/types';
import { useOrganization } from '../../session/me';
import { daysOf, isoDay, type Range } from './range';

export type Measure = 'spend' | 'tokens' | 'requests';
export type Grouping = 'model' | 'project_id' | 'api_key_id' | 'user_id';

/** One bar of the chart: a day, and a number for each series. */
export interface Day {
  day: string;
  start: number;
  values: Record<string, number>;
}

export interface Report {
  days: Day[];
  /** The names of the series, the largest first. */
  series: string[];
  total: number;
}

interface Wanted {
  measure: Measure;
  grouping: Grouping;
  range: Range;
  projects: string[];
}

/** What the chart shows: spend, tokens or requests by day, split as asked. */
export function useReport(wanted: Wanted) {
  const { id } = useOrganization();
  return useQuery({
    queryKey: ['report', id, wanted],
    staleTime: 5_000,
    placeholderData: keepPreviousData,
    queryFn: ({ signal }) =>
      wanted.measure === 'spend' ? readCosts(wanted, signal) : readUsage(wanted, signal),
  });
}

/** The parameters that both reports take. */
function query({ range, projects }: Wanted) {
  return {
    start_time: range.start,
    end_time: range.end,
    bucket_width: '1d' as const,
    limit: Math.min(daysOf(range), 180),
    ...(projects.length > 0 && { project_ids: projects }),
  };
}

async function readCosts(wanted: Wanted, signal: AbortSignal): Promise<Report> {
  const grouping = wanted.grouping === 'model' ? 'line_item' : wanted.grouping;
  const page = await data(
    api.GET('/v1/organization/costs', {
      params: { query: { ...query(wanted), group_by: [grouping] } as never },
      signal,
    }),
  );
  return fold(
    page.data.map((bucket) => ({
      start: bucket.start_time,
      results: bucket.results.map((result) => [nameOfCost(result, wanted.grouping), result.amount.value]),
    })),
  );
}

async function readUsage(wanted: Wanted, signal: AbortSignal): Promise<Report> {
  const kinds = ['/v1/organization/usage/completions', '/v1/organization/usage/embeddings'] as const;
  const pages = await Promise.all(
    kinds.map((kind) =>
      data(
        api.GET(kind, {
          params: { query: { ...query(wanted), group_by: [wanted.grouping] } as never },
          signal,
        }),
      ),
    ),
  );
  const count = (result: Schemas['UsageResult']) =>
    wanted.measure === 'requests'
      ? result.num_model_requests
      : result.input_tokens + (result.output_tokens ?? 0);
  return fold(
    pages.flatMap((page) =>
      page.data.map((bucket) => ({
        start: bucket.start_time,
        results: bucket.results.map((result): [string, number] => [
          nameOfUsage(result, wanted.grouping),
          count(result),
        ]),
      })),
    ),
  );
}

function nameOfCost(result: Schemas['CostsResult'], grouping: Grouping): string {
  // A line item is a model and a kind of tokens, such as "gpt-4o-mini, input".
  if (grouping === 'model') return (result.line_item ?? 'Unknown').replace(/, [^,]*$/, '');
  return result[grouping] ?? 'Nobody';
}

function nameOfUsage(result: Schemas['UsageResult'], grouping: Grouping): string {
  return result[grouping] ?? 'Nobody';
}

interface Bucket {
  start: number;
  results: [string, number][];
}

/** Puts buckets of the same day together, and the largest series first. */
export function fold(buckets: Bucket[]): Report {
  const days = new Map<number, Day>();
  const totals = new Map<string, number>();
  for (const { start, results } of buckets) {
    const day = days.get(start) ?? { day: isoDay(start), start, values: {} };
    days.set(start, day);
    for (const [name, value] of results) {
      day.values[name] = (day.values[name] ?? 0) + value;
      totals.set(name, (totals.get(name) ?? 0) + value);
    }
  }
  const series = [...totals].sort(([, one], [, other]) => other - one).map(([name]) => name);
  return {
    days: [...days.values()].sort((one, other) => one.start - other.start),
    series,
    total: [...totals.values()].reduce((sum, value) => sum + value, 0),
  };
}
