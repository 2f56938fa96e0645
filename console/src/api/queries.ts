import { QueryClient } from '@tanstack/react-query';
import { ApiError } from './error';

/** Refusals stay refusals; what may be an accident is tried twice more. */
function isWorthAnotherTry(tries: number, error: unknown): boolean {
  if (error instanceof ApiError && error.status > 0 && error.status < 500) return false;
  return tries < 2;
}

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: { staleTime: 10_000, retry: isWorthAnotherTry },
    mutations: { retry: false },
  },
});
