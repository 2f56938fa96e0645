import { Stack, Tabs } from '@mantine/core';
import { useNavigate, useSearch } from '@tanstack/react-router';
import type { ReactNode } from 'react';

export interface Choice {
  id: string;
  name: string;
  view: ReactNode;
}

/** Parts of a page, one shown at a time; the address says which, so that links and the back button work. */
export function Choices({ label, choices }: { label: string; choices: Choice[] }) {
  const { tab }: { tab?: string } = useSearch({ strict: false });
  const navigate = useNavigate();
  const shown = choices.some(({ id }) => id === tab) ? tab : choices[0]?.id;
  return (
    <Tabs
      value={shown ?? null}
      keepMounted={false}
      color="var(--farebox-good)"
      onChange={(id) => {
        void navigate({ to: '.', search: (before: object) => ({ ...before, tab: id }) });
      }}
    >
      <Tabs.List aria-label={label} mb="lg">
        {choices.map(({ id, name }) => (
          <Tabs.Tab key={id} value={id}>
            {name}
          </Tabs.Tab>
        ))}
      </Tabs.List>
      {choices.map(({ id, view }) => (
        <Tabs.Panel key={id} value={id}>
          <Stack gap="lg">{view}</Stack>
        </Tabs.Panel>
      ))}
    </Tabs>
  );
}
