import { Select } from '@mantine/core';
import { useProject, useProjects, useShowProject } from './project';

/** Which project a page shows. */
export function ProjectSelect() {
  const projects = useProjects();
  const shown = useProject();
  const show = useShowProject();
  return (
    <Select
      label="Project"
      data={(projects.data ?? []).map(({ id, name }) => ({ value: id, label: name }))}
      value={shown ?? null}
      allowDeselect={false}
      searchable
      maw={320}
      onChange={(id) => {
        if (id) show(id);
      }}
    />
  );
}
