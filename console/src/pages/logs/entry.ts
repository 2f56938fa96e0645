import type { Schemas } from '../../api/types';

/** As "840 ms" or "12.4 s". */
export function durationOf(ms: number): string {
  return ms < 1_000 ? `${ms} ms` : `${(ms / 1_000).toFixed(1)} s`;
}

/** As "1,200 → 340": what went in, and what came out. */
export function tokensOf(tokens: Schemas['LogTokens'] | null | undefined): string {
  if (!tokens) return '';
  const input =
    tokens.input + tokens.cached_input + tokens.cache_write + tokens.audio_input + tokens.image;
  const output = tokens.output + tokens.reasoning + tokens.audio_output;
  return `${input.toLocaleString()} → ${output.toLocaleString()}`;
}

/** What happened to a request besides, in a few words. */
export const FLAGS: Record<string, string> = {
  estimated: 'Its tokens were counted here: the upstream did not tell.',
  overrun: 'It used more than was held; the rest was not charged.',
  orphan: 'The process that served it died; what it had produced was charged.',
  disconnected: 'The client left before the end.',
  broken_off: 'The upstream broke the answer off.',
  cut_off: 'The answer ended where what was held for it did.',
};

/** Something that was looked at, in words. */
export const CHECKS: Record<string, string> = {
  key: 'The key exists, and its time is not over',
  ip_range: 'It is used from an allowed network',
  key_class: 'Its class may call models',
  organization: 'The organization is the key’s',
  project: 'The project is the key’s',
  role: 'The role of the key’s owner',
  key_permissions: 'The key’s permissions',
  suspension: 'The organization is served',
  request: 'The request’s form and size',
  model: 'The model exists, and is switched on',
  key_models: 'The key may use the model',
  project_models: 'The project may use the model',
  endpoint: 'The model offers this endpoint',
  idempotency_key: 'Its Idempotency-Key',
  price: 'The model has a price',
  ledger: 'The ledger can commit',
  rate_limit: 'Rate limit',
  balance: 'The balance',
  budget: 'Budget',
  upstream: 'An upstream answers',
};
