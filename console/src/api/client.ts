import createClient, { type Middleware } from 'openapi-fetch';
import { ApiError } from './error';
import { chosenOrganization } from './organization';
import type { paths } from './schema';

/** How long the server may take; a page that waits longer says so. */
const PATIENCE_MS = 30_000;

/**
 * The public HTTP API, typed by openapi.json. Whoever calls is known by the session's cookie; every
 * call acts in the organization that is chosen.
 *
 * A refusal throws an {@link ApiError}, and so does a server that cannot be reached.
 */
export const api = createClient<paths>({
  baseUrl: window.location.origin,
  credentials: 'same-origin',
  // The API knows both ways to write lists; brackets are what OpenAI's own clients send.
  querySerializer: { array: { style: 'form', explode: true } },
  fetch: patiently,
});

async function patiently(request: Request): Promise<Response> {
  const signal = AbortSignal.any([request.signal, AbortSignal.timeout(PATIENCE_MS)]);
  try {
    return await fetch(request, { signal });
  } catch (error) {
    if (request.signal.aborted) throw error;
    throw ApiError.unreachable();
  }
}

const inOrganization: Middleware = {
  onRequest({ request }) {
    const organization = chosenOrganization.get();
    if (organization) request.headers.set('OpenAI-Organization', organization);
    return request;
  },
};

const refusals: Middleware = {
  async onResponse({ response }) {
    if (!response.ok) throw await ApiError.of(response);
  },
};

api.use(inOrganization, refusals);

/** What an answer holds: every refusal was thrown, so there is something. */
export async function data<T>(answer: Promise<{ data?: T }>): Promise<T> {
  const { data: held } = await answer;
  return held as T;
}
