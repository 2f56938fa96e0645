import { Badge, Button, Code, Text } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { IconPlus } from '@tabler/icons-react';
import { useInfiniteQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { api, data } from '../../api/client';
import type { Schemas } from '../../api/types';
import { NoProjects } from '../../session/NoProjects';
import { ProjectSelect } from '../../session/ProjectSelect';
import { useHasNoProject, useProject } from '../../session/project';
import { useIsMine } from '../../session/standing';
import { DataTable, type Column } from '../../ui/DataTable';
import { usdOfNumber } from '../../ui/money';
import { useNow } from '../../ui/now';
import { Page } from '../../ui/Page';
import { Paged } from '../../ui/Paged';
import { Empty } from '../../ui/States';
import { When } from '../../ui/When';
import { CreateKey } from './CreateKey';
import { KeyMenu } from './KeyMenu';
import { useSpentThisMonth } from './use';

export type Key = Schemas['UserKey'];

const PERMISSIONS: Record<Key['permissions'], string> = {
  all: 'All',
  restricted: 'Restricted',
  read_only: 'Read only',
};

const columnsOf = (keys: Key[], spent: Record<string, number> | undefined): Column<Key>[] => [
  { name: 'Name', cell: (key) => <Name of={key} /> },
  { name: 'Key', cell: (key) => <Code>{key.redacted_value}</Code> },
  { name: 'Owner', cell: (key) => key.owner.user?.name ?? key.owner.service_account?.name },
  { name: 'Permissions', cell: (key) => <Permissions of={key} /> },
  ...(spent
    ? [
        {
          name: 'This month',
          align: 'right' as const,
          cell: (key: Key) => usdOfNumber(spent[key.id] ?? 0),
        },
      ]
    : []),
  { name: 'Created', cell: (key) => <When at={key.created_at} as="day" /> },
  { name: 'Last used', cell: (key) => <When at={key.last_used_at} /> },
  ...(keys.some((key) => key.expires_at)
    ? [{ name: 'Expires', cell: (key: Key) => <When at={key.expires_at} as="day" /> }]
    : []),
  { name: 'Actions', isNameHidden: true, align: 'right', cell: (key) => <KeyMenu of={key} /> },
];

function Name({ of: key }: { of: Key }) {
  const now = useNow();
  const until = key.previous_secret_expires_at ?? 0;
  return (
    <div>
      <Text fw={550}>{key.name || 'Unnamed'}</Text>
      {until > now && (
        <Text size="xs" c="dimmed">
          old secret works until <When at={until} as="minute" />
        </Text>
      )}
    </div>
  );
}

function Permissions({ of: key }: { of: Key }) {
  return (
    <Badge variant="light" color={key.permissions === 'all' ? 'gray' : 'fare'} tt="none">
      {PERMISSIONS[key.permissions]}
      {key.models && `, ${key.models.length} models`}
    </Badge>
  );
}

/** The keys of a project: one's own, or everybody's for those who may see them. */
export default function Keys() {
  const project = useProject();
  const hasNoProject = useHasNoProject();
  const isMine = useIsMine(project);
  const [isCreating, creating] = useDisclosure();
  const spent = useSpentThisMonth(project);
  const keys = useInfiniteQuery({
    queryKey: ['keys', project],
    enabled: project !== undefined,
    initialPageParam: '',
    queryFn: ({ pageParam, signal }) =>
      data(
        api.GET('/api/projects/{project_id}/keys', {
          params: {
            path: { project_id: project ?? '' },
            query: { limit: 50, ...(pageParam && { after: pageParam }) },
          },
          signal,
        }),
      ),
    getNextPageParam: (page) => (page.has_more ? page.last_id : undefined),
  });
  // Who only looks at a project has no keys there; meanwhile the button keeps its place.
  const create = isMine !== false && !hasNoProject && (
    <Button leftSection={<IconPlus size={16} />} onClick={creating.open} disabled={!isMine}>
      Create key
    </Button>
  );
  return (
    <Page
      title="API keys"
      lead="Programs show a key with every call. Keep each in one place, and revoke what you do not use."
      actions={create}
    >
      {hasNoProject ? (
        <NoProjects />
      ) : (
        <>
          <ProjectSelect />
          <Paged query={keys} empty={<NoKeys action={create} />}>
            {(rows) => (
              <DataTable
                label="API keys"
                columns={columnsOf(rows, spent)}
                rows={rows}
                keyOf={(key) => key.id}
              />
            )}
          </Paged>
        </>
      )}
      {project && <CreateKey project={project} isOpen={isCreating} close={creating.close} />}
    </Page>
  );
}

function NoKeys({ action }: { action: ReactNode }) {
  const text = action
    ? 'Create one, put it where your program looks for it, and make the first call.'
    : 'Whoever belongs to the project can create some.';
  return <Empty title="No keys yet" text={text} action={action} />;
}
