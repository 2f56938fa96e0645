import { useQuery } from '@tanstack/react-query';
import { api, data } from '../../api/client';
import { useProject, useProjects } from '../../session/project';
import type { Grouping } from './report';

/** How series are called: what reports have is ids. */
export function useNames(grouping: Grouping): (id: string) => string {
  const projects = useProjects();
  const project = useProject();
  const people = useQuery({
    queryKey: ['members', 'choice'],
    enabled: grouping === 'user_id',
    queryFn: ({ signal }) =>
      data(api.GET('/v1/organization/users', { params: { query: { limit: 100 } }, signal })),
  });
  const keys = useQuery({
    queryKey: ['keys', project, 'any'],
    enabled: grouping === 'api_key_id' && project !== undefined,
    queryFn: ({ signal }) =>
      data(
        api.GET('/api/projects/{project_id}/keys', {
          params: { path: { project_id: project ?? '' }, query: { limit: 100 } },
          signal,
        }),
      ),
  });
  const named = new Map<string, string>();
  if (grouping === 'project_id') for (const { id, name } of projects.data ?? []) named.set(id, name);
  if (grouping === 'user_id') for (const { id, name } of people.data?.data ?? []) named.set(id, name);
  if (grouping === 'api_key_id') for (const { id, name } of keys.data?.data ?? []) named.set(id, name);
  return (id) => named.get(id) ?? id;
}
