import { Select } from '@mantine/core';
import type { UseFormReturnType } from '@mantine/form';
import { useQuery } from '@tanstack/react-query';
import { api, data } from '../../api/client';
import type { Schemas } from '../../api/types';
import { useProject, useProjects } from '../../session/project';

export interface ScopeValues extends Record<string, unknown> {
  scope: Schemas['ScopeType'];
  project: string;
  key: string;
}

export const WHOLE: ScopeValues = { scope: 'organization', project: '', key: '' };

/** The scope as the API wants it. */
export function scopeOf({ scope, project, key }: ScopeValues): Schemas['NewLimitScope'] {
  if (scope === 'organization') return { type: scope };
  return { type: scope, id: scope === 'project' ? project : key };
}

/** What a limit is put on: the organization, a project, or a key. */
export function ScopeFields<Values extends ScopeValues>({ form }: { form: UseFormReturnType<Values> }) {
  const projects = useProjects();
  const usual = useProject();
  const { scope, project } = form.values;
  const of = project === '' ? (usual ?? '') : project;
  const keys = useQuery({
    queryKey: ['keys', of, 'any'],
    enabled: scope === 'key' && of !== '',
    queryFn: ({ signal }) =>
      data(
        api.GET('/api/projects/{project_id}/keys', {
          params: { path: { project_id: of }, query: { limit: 100 } },
          signal,
        }),
      ),
  });
  return (
    <>
      <Select
        label="On"
        allowDeselect={false}
        data={[
          { value: 'organization', label: 'The whole organization' },
          { value: 'project', label: 'A project' },
          { value: 'key', label: 'A key' },
        ]}
        {...form.getInputProps('scope')}
      />
      {scope !== 'organization' && (
        <Select
          label="Project"
          searchable
          data={(projects.data ?? []).map(({ id, name }) => ({ value: id, label: name }))}
          {...form.getInputProps('project')}
        />
      )}
      {scope === 'key' && (
        <Select
          label="Key"
          searchable
          data={(keys.data?.data ?? []).map(({ id, name, redacted_value: value }) => ({
            value: id,
            label: `${name} (${value})`,
          }))}
          {...form.getInputProps('key')}
        />
      )}
    </>
  );
}

/** What must be chosen before the form can be sent. */
export const scopeRules = {
  project: (id: string, { scope }: ScopeValues) =>
    scope === 'project' && !id ? 'Choose a project.' : null,
  key: (id: string, { scope }: ScopeValues) => (scope === 'key' && !id ? 'Choose a key.' : null),
};
