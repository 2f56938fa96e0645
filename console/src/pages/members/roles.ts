import { useQuery } from '@tanstack/react-query';
import { api, data } from '../../api/client';

/** The roles of the organization, those that always exist among them. */
export function useRoles() {
  return useQuery({
    queryKey: ['roles', 'choice'],
    queryFn: ({ signal }) =>
      data(api.GET('/v1/organization/roles', { params: { query: { limit: 100 } }, signal })),
  });
}
