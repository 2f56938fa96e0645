import { MutationCache, QueryCache, QueryClient } from '@tanstack/react-query';
import { ApiError } from './error';

/** Refusals stay refusals; what may be an accident is tried twice more. */
function isWorthAnotherTry(tries: number, error: unknown): boolean {
  if (error instanceof ApiError && error.status > 0 && error.status < 500) return false;
  return tries < 2;
}

/** Whoever is refused for having no session may have lost it: the console asks who they are. */
function onError(error: unknown): void {
  if (error instanceof ApiError && error.isSignedOut) {
    void queryClient.invalidateQueries({ queryKey: ['me'] });
  }
}

export const queryClient: QueryClient = new QueryClient({
  queryCache: new QueryCache({ onError }),
  mutationCache: new MutationCache({ onError }),
  defaultOptions: {
    queries: { staleTime: 10_000, retry: isWorthAnotherTry },
    mutations: { retry: false },
  },
});
