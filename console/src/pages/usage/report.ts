import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { api, data } from '../../api/client';
import type { Schemas } from '../../api/types';
import { useOrganization } from '../../session/me';
import { NOBODY, type Named } from '../../session/names';
import { widthOf, type Range, type Width } from './range';

export type Measure = 'spend' | 'tokens' | 'requests';
export type Grouping = Named;

/** What alone is counted: everything, where nothing is named. */
export type Only = Partial<Record<Grouping, string[]>>;

/** One bar of the chart: a day or an hour, and a number for each series. */
export interface Bucket {
  start: number;
  end: number;
  values: Record<string, number>;
}

export interface Report {
  width: Width;
  buckets: Bucket[];
  /** The ids of the series, the largest first. */
  series: string[];
  totals: Record<string, number>;
  total: number;
}

export interface Wanted {
  measure: Measure;
  grouping: Grouping;
  range: Range;
  only: Only;
}

/** The most buckets that one page of an answer may have. */
const MOST = { day: 31, hour: 168 } as const;
const WIDTHS = { day: '1d', hour: '1h' } as const;
const PARAMS: Record<Grouping, string> = {
  model: 'models',
  project_id: 'project_ids',
  api_key_id: 'api_key_ids',
  user_id: 'user_ids',
};

/** Spend, tokens or requests over time, split as asked; nothing for those who may not see usage. */
export function useReport(wanted: Wanted, isWanted = true) {
  const { id } = useOrganization();
  return useQuery({
    enabled: isWanted,
    queryKey: ['report', id, wanted],
    staleTime: 5_000,
    placeholderData: keepPreviousData,
    queryFn: async ({ signal }) => {
      const read = wanted.measure === 'spend' ? readCosts : readUsage;
      return fold(widthOf(wanted.range), await read(wanted, signal));
    },
  });
}

/** The parameters that all reports take. */
function query({ range, only }: Wanted) {
  const width = widthOf(range);
  const named = Object.entries(only).filter(([, ids]) => ids.length > 0);
  return {
    start_time: range.start,
    end_time: range.end,
    bucket_width: WIDTHS[width],
    limit: MOST[width],
    ...Object.fromEntries(named.map(([grouping, ids]) => [PARAMS[grouping as Grouping], ids])),
  };
}

interface Answer<Result> {
  data: { start_time: number; end_time: number; results: Result[] }[];
  next_page?: string | null;
}

/** Every page of an answer. */
async function allPages<Result>(
  read: (page: { page?: string }) => Promise<Answer<Result>>,
): Promise<Answer<Result>['data']> {
  const buckets: Answer<Result>['data'] = [];
  let next: string | null | undefined;
  do {
    const page = await read(next ? { page: next } : {});
    buckets.push(...page.data);
    next = page.next_page;
  } while (next);
  return buckets;
}

/** A bucket as it was answered: to be put together with others of the same time. */
export interface Part {
  start: number;
  end: number;
  results: [series: string, value: number][];
}

async function readCosts(wanted: Wanted, signal: AbortSignal): Promise<Part[]> {
  const grouping = wanted.grouping === 'model' ? 'line_item' : wanted.grouping;
  const buckets = await allPages<Schemas['CostsResult']>((page) =>
    data(
      api.GET('/api/costs', {
        params: { query: { ...query(wanted), ...page, group_by: [grouping] } },
        signal,
      }),
    ),
  );
  return buckets.map(({ start_time: start, end_time: end, results }) => ({
    start,
    end,
    results: results.map((result) => [nameOfCost(result, wanted.grouping), result.amount.value]),
  }));
}

async function readUsage(wanted: Wanted, signal: AbortSignal): Promise<Part[]> {
  const kinds = ['/v1/organization/usage/completions', '/v1/organization/usage/embeddings'] as const;
  const count = (result: Schemas['UsageResult']) =>
    wanted.measure === 'requests'
      ? result.num_model_requests
      : result.input_tokens + (result.output_tokens ?? 0);
  const reports = await Promise.all(
    kinds.map((kind) =>
      allPages<Schemas['UsageResult']>((page) =>
        data(
          api.GET(kind, {
            params: { query: { ...query(wanted), ...page, group_by: [wanted.grouping] } },
            signal,
          }),
        ),
      ),
    ),
  );
  return reports.flat().map(({ start_time: start, end_time: end, results }) => ({
    start,
    end,
    results: results.map((result) => [seriesOf(result[wanted.grouping]), count(result)]),
  }));
}

function nameOfCost(result: Schemas['CostsResult'], grouping: Grouping): string {
  // A line item is a model and a kind of tokens, such as "gpt-4o-mini, input".
  if (grouping === 'model') return seriesOf(result.line_item).replace(/, [^,]*$/, '');
  return seriesOf(result[grouping]);
}

function seriesOf(id: string | null | undefined): string {
  return id === null || id === undefined || id === '' ? NOBODY : id;
}

/** Puts buckets of the same time together, and the largest series first. */
export function fold(width: Width, parts: Part[]): Report {
  const buckets = new Map<number, Bucket>();
  const totals = new Map<string, number>();
  for (const { start, end, results } of parts) {
    const bucket = buckets.get(start) ?? { start, end, values: {} };
    buckets.set(start, bucket);
    for (const [name, value] of results) {
      bucket.values[name] = (bucket.values[name] ?? 0) + value;
      totals.set(name, (totals.get(name) ?? 0) + value);
    }
  }
  const largest = [...totals].sort(([, one], [, other]) => other - one);
  return {
    width,
    buckets: [...buckets.values()].sort((one, other) => one.start - other.start),
    series: largest.map(([name]) => name),
    totals: Object.fromEntries(totals),
    total: largest.reduce((sum, [, value]) => sum + value, 0),
  };
}
