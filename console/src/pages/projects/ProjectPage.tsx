import { useQuery } from '@tanstack/react-query';
import { useParams } from '@tanstack/react-router';
import { api, data } from '../../api/client';
import type { Schemas } from '../../api/types';
import { Choices } from '../../ui/Choices';
import { Page } from '../../ui/Page';
import { Answered } from '../../ui/States';
import { ProjectModels } from './ProjectModels';
import { ProjectPeople } from './ProjectPeople';
import { ProjectRates } from './ProjectRates';
import { ProjectSettings } from './ProjectSettings';
import { ServiceAccounts } from './ServiceAccounts';

/** One project: its people, its service accounts, what it may use, and how fast. */
export default function ProjectPage() {
  const { id = '' }: { id?: string } = useParams({ strict: false });
  const project = useQuery({
    queryKey: ['projects', id],
    queryFn: ({ signal }) =>
      data(
        api.GET('/v1/organization/projects/{project_id}', {
          params: { path: { project_id: id } },
          signal,
        }),
      ),
  });
  return <Answered query={project}>{(found) => <Parts project={found} />}</Answered>;
}

function Parts({ project }: { project: Schemas['Project'] }) {
  return (
    <Page title={project.name} lead={`Project ${project.id}`}>
      <Choices
        label="Project"
        choices={[
          { id: 'people', name: 'People', view: <ProjectPeople project={project.id} /> },
          {
            id: 'service-accounts',
            name: 'Service accounts',
            view: <ServiceAccounts project={project.id} />,
          },
          { id: 'models', name: 'Models', view: <ProjectModels project={project.id} /> },
          { id: 'rates', name: 'Rate limits', view: <ProjectRates project={project.id} /> },
          { id: 'settings', name: 'Settings', view: <ProjectSettings project={project} /> },
        ]}
      />
    </Page>
  );
}
