import { Alert } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useParams } from '@tanstack/react-router';
import { api, data } from '../../api/client';
import type { Schemas } from '../../api/types';
import type { Permission } from '../../session/permissions';
import { useStanding } from '../../session/standing';
import { Choices, type Choice } from '../../ui/Choices';
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
  const standing = useStanding(id);
  return (
    <Answered query={project}>
      {(found) => (
        <Answered query={standing}>
          {({ permissions }) => <Parts project={found} permissions={permissions} />}
        </Answered>
      )}
    </Answered>
  );
}

interface PartsProps {
  project: Schemas['Project'];
  /** What the person may do in it. */
  permissions: string[];
}

function Parts({ project, permissions }: PartsProps) {
  const isArchived = project.status === 'archived';
  return (
    <Page title={project.name} lead={`Project ${project.id}`}>
      {isArchived && (
        <Alert color="gray">It is archived: its keys are refused, and nothing of it changes.</Alert>
      )}
      <Choices label="Project" choices={choicesOf(project, isArchived ? [] : permissions, permissions)} />
    </Page>
  );
}

/** The parts of a project that somebody may see, with what they may change there. */
function choicesOf(project: Schemas['Project'], changes: string[], sees: string[]): Choice[] {
  const { id } = project;
  const mayWrite = (what: Permission) => changes.includes(what);
  const parts: (Choice & { needs: Permission })[] = [
    {
      id: 'people',
      name: 'People',
      needs: 'api.organization.projects.users.read',
      view: (
        <ProjectPeople project={id} mayWrite={mayWrite('api.organization.projects.users.write')} />
      ),
    },
    {
      id: 'service-accounts',
      name: 'Service accounts',
      needs: 'api.organization.projects.service_accounts.read',
      view: (
        <ServiceAccounts
          project={id}
          mayWrite={mayWrite('api.organization.projects.service_accounts.write')}
        />
      ),
    },
    {
      id: 'models',
      name: 'Models',
      needs: 'api.organization.projects.read',
      view: <ProjectModels project={id} mayWrite={mayWrite('api.organization.projects.write')} />,
    },
    {
      id: 'rates',
      name: 'Rate limits',
      needs: 'api.organization.projects.rate_limits.read',
      view: (
        <ProjectRates
          project={id}
          mayWrite={mayWrite('api.organization.projects.rate_limits.write')}
        />
      ),
    },
    {
      id: 'settings',
      name: 'Settings',
      needs: 'api.organization.projects.read',
      view: (
        <ProjectSettings project={project} mayWrite={mayWrite('api.organization.projects.write')} />
      ),
    },
  ];
  return parts.filter(({ needs }) => sees.includes(needs));
}
