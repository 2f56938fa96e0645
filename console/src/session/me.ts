import { queryOptions, useQuery, useSuspenseQuery } from '@tanstack/react-query';
import { api, data } from '../api/client';
import { ApiError } from '../api/error';
import { chosenOrganization } from '../api/organization';
import { queryClient } from '../api/queries';
import type { Schemas } from '../api/types';
import type { Permission } from './permissions';

export type Me = Schemas['Me'];
export type Organization = Schemas['MyStanding'];

/** Who is signed in, and where they belong; null for nobody. */
export const me = queryOptions({
  queryKey: ['me'],
  staleTime: 60_000,
  queryFn: async ({ signal }): Promise<Me | null> => {
    try {
      return await data(api.GET('/api/me', { signal }));
    } catch (error) {
      if (error instanceof ApiError && error.isSignedOut) return null;
      throw error;
    }
  },
});

/** Who is signed in, on pages that only they see. */
export function useMe(): Me {
  const { data: person } = useSuspenseQuery(me);
  if (!person) throw new ApiError(401, 'You are not signed in.');
  return person;
}

/** Who is signed in, on pages for everybody: undefined while that is asked. */
export function useMaybeMe(): Me | null | undefined {
  return useQuery(me).data;
}

/** The organization that the console shows: the chosen one, if they still belong to it. */
export function organizationOf(person: Me): Organization | undefined {
  const chosen = chosenOrganization.get();
  return person.organizations.find(({ id }) => id === chosen) ?? person.organizations[0];
}

export function useOrganization(): Organization {
  const organization = organizationOf(useMe());
  if (!organization) throw new ApiError(404, 'You do not belong to an organization.');
  return organization;
}

/** Whether they may do something in all of the organization. The server decides; this is what to show. */
export function useMay(permission: Permission): boolean {
  return useOrganization().permissions.includes(permission);
}

/** Whether they may give others all of this in the organization: nobody gives what they do not have. */
export function useMayGive(): (permissions: readonly string[]) => boolean {
  const { permissions: held } = useOrganization();
  return (permissions) => permissions.every((permission) => held.includes(permission));
}

/** Shows another organization; everything that was read belongs to the one before. */
export function chooseOrganization(id: string): void {
  chosenOrganization.set(id);
  void queryClient.resetQueries({ predicate: ({ queryKey }) => queryKey[0] !== 'me' });
}

/** Signs out, here and on the server, and forgets everything. */
export async function signOut(): Promise<void> {
  await api.DELETE('/api/sessions/current').catch(() => undefined);
  queryClient.clear();
  queryClient.setQueryData(me.queryKey, null);
}
