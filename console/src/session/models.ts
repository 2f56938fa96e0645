import { useQuery } from '@tanstack/react-query';
import { api, data } from '../api/client';

/** The most models that a list to choose from shows. */
const MOST = 100;

/** The names of the models that a project can call: its rate limits are listed by model. */
export function useModels(project: string | undefined) {
  return useQuery({
    queryKey: ['models', project],
    enabled: project !== undefined,
    staleTime: 60_000,
    queryFn: async ({ signal }) => {
      const page = await data(
        api.GET('/v1/organization/projects/{project_id}/rate_limits', {
          params: { path: { project_id: project ?? '' }, query: { limit: MOST } },
          signal,
        }),
      );
      return page.data.map(({ model }) => model);
    },
  });
}
