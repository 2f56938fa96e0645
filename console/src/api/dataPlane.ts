import { ApiError } from './error';

/** The longest that a model may take to answer in the console. */
const PATIENCE_MS = 120_000;

export interface ModelAnswer {
  status: number;
  body: unknown;
  /** In USD, as the server told. */
  cost: string | null;
  balance: string | null;
}

/** Calls a model as a program would: with a key, and without the session. */
export async function callModel(secret: string, request: object): Promise<ModelAnswer> {
  const response = await askModel(secret, request, AbortSignal.timeout(PATIENCE_MS));
  return {
    status: response.status,
    body: await response.json(),
    cost: response.headers.get('farebox-cost'),
    balance: response.headers.get('farebox-balance'),
  };
}

/** The raw answer of `POST /v1/chat/completions`; a refusal throws. */
export async function askModel(
  secret: string,
  request: object,
  signal: AbortSignal,
): Promise<Response> {
  let response;
  try {
    response = await fetch('/v1/chat/completions', {
      method: 'POST',
      credentials: 'omit',
      headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json' },
      body: JSON.stringify(request),
      signal,
    });
  } catch (error) {
    if (signal.aborted && (signal.reason as Error).name === 'AbortError') throw error;
    throw ApiError.unreachable();
  }
  if (!response.ok) throw await ApiError.of(response);
  return response;
}
