import { useQueries, useQuery } from '@tanstack/react-query';
import { api, data } from '../api/client';
import { useProjects } from './project';

/** What has a name beside its id; models are called by what they are. */
export type Named = 'model' | 'project_id' | 'api_key_id' | 'user_id';

export type NameOf = (kind: Named, id: string) => string;

/** Whose usage is nobody's: it is that of service accounts' keys. */
export const NOBODY = 'nobody';

/** The most projects whose keys are asked for by name. */
const MOST_PROJECTS = 20;

/** How things are called that the API tells of by their ids. `asked` are the kinds of them. */
export function useNames(asked: Named[]): NameOf {
  const projects = useProjects();
  const people = useQuery({
    queryKey: ['members', 'choice'],
    enabled: asked.includes('user_id'),
    queryFn: ({ signal }) =>
      data(api.GET('/v1/organization/users', { params: { query: { limit: 100 } }, signal })),
  });
  const listed = asked.includes('api_key_id') ? (projects.data ?? []).slice(0, MOST_PROJECTS) : [];
  const keys = useQueries({
    queries: listed.map(({ id }) => ({
      queryKey: ['keys', id, 'names'],
      queryFn: ({ signal }: { signal: AbortSignal }) =>
        data(
          api.GET('/v1/organization/projects/{project_id}/api_keys', {
            params: { path: { project_id: id }, query: { limit: 100 } },
            signal,
          }),
        ),
    })),
    combine: (found) => found.flatMap(({ data: page }) => page?.data ?? []),
  });
  const namesOf = (rows: { id: string; name?: string | null }[] = []) =>
    new Map(rows.flatMap(({ id, name }) => (name ? [[id, name] as const] : [])));
  const named: Record<Named, Map<string, string>> = {
    model: new Map(),
    project_id: namesOf(projects.data),
    api_key_id: namesOf(keys),
    user_id: namesOf(people.data?.data),
  };
  return (kind, id) => (id === NOBODY ? 'Service accounts' : (named[kind].get(id) ?? id));
}
