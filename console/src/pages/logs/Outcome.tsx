import { Badge, Text } from '@mantine/core';
import type { Entry } from './useLogs';

const COLORS: Record<string, string> = { ok: 'fare', refused: 'yellow', cancelled: 'gray' };

/** How a request ended: its status, and the code of its error. */
export function Outcome({ of: entry }: { of: Entry }) {
  return (
    <>
      <Badge variant="light" tt="none" color={COLORS[entry.outcome] ?? 'red'}>
        {entry.status} {entry.outcome}
      </Badge>
      {entry.error_code && (
        <Text size="xs" c="dimmed">
          {entry.error_code}
        </Text>
      )}
    </>
  );
}
