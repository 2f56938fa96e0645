import { useQuery } from '@tanstack/react-query';
import { api, data } from '../api/client';
import { queryClient } from '../api/queries';
import type { Permission } from './permissions';

const KEY = 'standing';

/** What the person may do in a project: roles there allow more than those in the organization. */
export function useStanding(project: string | undefined) {
  return useQuery({
    queryKey: [KEY, project],
    enabled: project !== undefined,
    staleTime: 60_000,
    queryFn: ({ signal }) =>
      data(
        api.GET('/api/me/projects/{project_id}', {
          params: { path: { project_id: project ?? '' } },
          signal,
        }),
      ),
  });
}

/** Whether they may do something in a project; undefined while that is asked. */
export function useMayIn(project: string | undefined, permission: Permission): boolean | undefined {
  return useStanding(project).data?.permissions.includes(permission);
}

/** Whether they belong to a project and so have keys of their own there; undefined meanwhile. */
export function useIsMine(project: string | undefined): boolean | undefined {
  return useStanding(project).data?.is_mine;
}

/** Whether keys of their own call models in a project; undefined while that is asked. */
export function useMayCall(project: string | undefined): boolean | undefined {
  const standing = useStanding(project).data;
  return standing && standing.is_mine && standing.permissions.includes('api.model.request');
}

/** What is said to those whose keys do not. */
export const CALLS_NOTHING = 'Your role in this project calls no models.';

/** Asks again what they may do: somebody's role in a project was changed, perhaps their own. */
export const refreshStanding = () => queryClient.invalidateQueries({ queryKey: [KEY] });
