import { useNavigate, useSearch } from '@tanstack/react-router';

/** What requests can be narrowed down to. Each stands in the address under its name. */
export const FILTERS = {
  outcome: 'Outcome',
  model: 'Model',
  project_id: 'Project',
  api_key_id: 'Key',
  user_id: 'Person',
  endpoint: 'Endpoint',
  status: 'Status',
  error_code: 'Error code',
  upstream: 'Upstream',
  min_cost_usd: 'Cost from (USD)',
  min_duration_ms: 'Duration from (ms)',
  request_id: 'Request',
} as const;

export type Name = keyof typeof FILTERS;

export const NAMES = Object.keys(FILTERS) as Name[];

/** Filters with few values. */
export const VALUES: Partial<Record<Name, string[]>> = {
  outcome: ['ok', 'refused', 'failed', 'cancelled'],
  endpoint: ['chat', 'responses', 'completions', 'embeddings'],
};

const NUMBERS: Partial<Record<Name, RegExp>> = {
  status: /^[1-5]\d\d$/,
  min_cost_usd: /^\d{1,9}(\.\d{1,9})?$/,
  min_duration_ms: /^\d{1,9}$/,
};

/** What is wrong with a value, as the server would say. */
export function valueProblem(name: Name, value: string): string | null {
  if (value.trim() === '') return 'Type a value.';
  const form = NUMBERS[name];
  if (form && !form.test(value.trim())) return 'That is no such number.';
  return null;
}

/** Times by name, in seconds back from now; any other is without a beginning. */
export const SPANS = [
  { value: '3600', label: 'The last hour' },
  { value: '86400', label: 'The last 24 hours' },
  { value: '604800', label: 'The last 7 days' },
  { value: '2592000', label: 'The last 30 days' },
  { value: 'any', label: 'Any time' },
];

export const USUAL_SPAN = '86400';

export type Filter = Partial<Record<Name, string>>;

export interface Look {
  filter: Filter;
  span: string;
  isLive: boolean;
}

/** What an address says: numbers in it are read as such, and texts are wanted. */
export function lookOf(search: Record<string, unknown>): Look {
  const text = (value: unknown) =>
    typeof value === 'string' || typeof value === 'number' ? String(value) : undefined;
  const filter: Filter = {};
  for (const name of NAMES) {
    const value = text(search[name]);
    if (value) filter[name] = value;
  }
  const span = text(search.span);
  return {
    filter,
    span: SPANS.some(({ value }) => value === span) ? (span ?? USUAL_SPAN) : USUAL_SPAN,
    isLive: search.live === true,
  };
}

export type Change = Partial<Record<Name | 'span', string | undefined>> & {
  live?: boolean | undefined;
};

/** What is looked at, as the address says, and how to look at something else. */
export function useLook(): [Look, (change: Change) => void] {
  const look = lookOf(useSearch({ strict: false }));
  const navigate = useNavigate();
  return [
    look,
    (change) => {
      void navigate({ to: '.', search: (before: object) => ({ ...before, ...change }) });
    },
  ];
}

/** What the API takes of it. The beginning moves with the clock, so it is worked out when asked. */
export function queryOf({ filter, span }: Look, nowSeconds: number) {
  const { status, min_duration_ms: duration, ...texts } = filter;
  return {
    ...texts,
    ...(status && { status: Number(status) }),
    ...(duration && { min_duration_ms: Number(duration) }),
    ...(span !== 'any' && { start_time: Math.floor(nowSeconds - Number(span)) }),
  };
}
