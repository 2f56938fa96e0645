import { Group, Stack } from '@mantine/core';
import type { ReactNode } from 'react';

/** A list within a page: its buttons above it, then the list in whatever state it is. */
export function ListWith({ actions, children }: { actions?: ReactNode; children: ReactNode }) {
  return (
    <Stack gap="md">
      {actions && <Group justify="flex-end">{actions}</Group>}
      {children}
    </Stack>
  );
}
