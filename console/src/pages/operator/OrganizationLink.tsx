import { Anchor } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { api, data } from '../../api/client';

/** An organization by its name, which leads to it; by its id until the name is known. */
export function OrganizationLink({ id }: { id: string }) {
  const organization = useQuery({
    queryKey: ['operator', 'organizations', 'one', id],
    staleTime: 60_000,
    queryFn: ({ signal }) =>
      data(
        api.GET('/api/operator/organizations/{organization_id}', {
          params: { path: { organization_id: id } },
          signal,
        }),
      ),
  });
  return (
    <Anchor component={Link} to={`/operator/organizations/${id}`} size="sm" title={id}>
      {organization.data?.name ?? id}
    </Anchor>
  );
}
