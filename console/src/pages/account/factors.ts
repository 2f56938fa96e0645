import { useQuery } from '@tanstack/react-query';
import { api, data } from '../../api/client';
import { queryClient } from '../../api/queries';

/** What lets the person in beside the password. */
export function useFactors() {
  return useQuery({
    queryKey: ['factors'],
    queryFn: ({ signal }) => data(api.GET('/api/me/factors', { signal })),
  });
}

/** Reads it again, as it changed, and the sessions that may have ended with that. */
export async function refreshFactors(): Promise<void> {
  await queryClient.invalidateQueries({ queryKey: ['factors'] });
  await queryClient.invalidateQueries({ queryKey: ['sessions'] });
}
