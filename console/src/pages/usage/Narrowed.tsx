import { Button, Group } from '@mantine/core';
import { IconX } from '@tabler/icons-react';
import type { NameOf } from '../../session/names';
import { GROUPINGS } from './Controls';
import { without, type Look } from './look';

interface NarrowedProps {
  look: Look;
  set: (change: Partial<Look>) => void;
  nameOf: NameOf;
}

/** What is left out because one looks into a part: each can be taken away again. */
export function Narrowed({ look, set, nameOf }: NarrowedProps) {
  const kinds = GROUPINGS.filter(({ value }) => (look.only?.[value] ?? []).length > 0);
  if (kinds.length === 0) return null;
  return (
    <Group gap="xs" role="group" aria-label="Only">
      {kinds.map(({ value, label }) => {
        const names = (look.only?.[value] ?? []).map((id) => nameOf(value, id)).join(', ');
        return (
          <Button
            key={value}
            variant="light"
            size="compact-md"
            fw={500}
            rightSection={<IconX size={14} aria-hidden="true" />}
            aria-label={`${label} ${names}: show all again`}
            onClick={() => {
              set(without(look, value));
            }}
          >
            {label}: {names}
          </Button>
        );
      })}
    </Group>
  );
}
