import { useQuery } from '@tanstack/react-query';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { api, data } from '../api/client';
import type { Schemas } from '../api/types';
import { useOrganization } from './me';

export type Project = Schemas['Project'];

/** The most projects that a list to choose from shows. */
const MOST = 100;

/** The projects that the person may see in the organization. */
export function useProjects() {
  const { id } = useOrganization();
  return useQuery({
    queryKey: ['projects', id, 'choice'],
    queryFn: async ({ signal }) => {
      const page = await data(
        api.GET('/v1/organization/projects', { params: { query: { limit: MOST } }, signal }),
      );
      return page.data;
    },
  });
}

/** Whether it is known that the person may see no project at all. */
export function useHasNoProject(): boolean {
  return useProjects().data?.length === 0;
}

/** The project that the page shows: the one in its address, else the default one. */
export function useProject(): string | undefined {
  const { default_project_id: usual } = useOrganization();
  const { project }: { project?: string } = useSearch({ strict: false });
  const { data: projects } = useProjects();
  if (project !== undefined) return project;
  if (!projects) return undefined;
  return (projects.find(({ id }) => id === usual) ?? projects[0])?.id;
}

/** Shows another project on the same page; the address says which. */
export function useShowProject(): (id: string) => void {
  const navigate = useNavigate();
  return (id) => {
    void navigate({ to: '.', search: (before: object) => ({ ...before, project: id }) });
  };
}
