import { useNavigate, useSearch } from '@tanstack/react-router';
import { queryClient } from '../../api/queries';
import { me } from '../../session/me';

/** Where to go on after signing in: a page of this console, never of another site. */
export function safeReturn(wanted: unknown): string {
  if (typeof wanted !== 'string' || !wanted.startsWith('/')) return '/';
  try {
    const url = new URL(wanted, window.location.origin);
    return url.origin === window.location.origin ? url.pathname + url.search + url.hash : '/';
  } catch {
    return '/';
  }
}

/** A parameter of the page's address. */
export function useParam(name: string): string | undefined {
  const search: Record<string, unknown> = useSearch({ strict: false });
  const value = search[name];
  return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined;
}

/** What to do when somebody is signed in: know them, and go where they wanted to go. */
export function useEnter(): () => Promise<void> {
  const navigate = useNavigate();
  const wanted = useParam('return_to');
  return async () => {
    await queryClient.query({ ...me, staleTime: 0 });
    await navigate({ href: safeReturn(wanted), replace: true });
  };
}

/** What stands behind the `#` of the address, which no server is told of. */
export function secretInAddress(): string {
  return decodeURIComponent(window.location.hash.slice(1));
}
