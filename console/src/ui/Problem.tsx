import { Alert } from '@mantine/core';
import { IconAlertTriangle } from '@tabler/icons-react';

/** What went wrong, where people look: read aloud at once. Nothing without a text. */
export function Problem({ text }: { text: string | null | undefined }) {
  if (!text) return null;
  return (
    <Alert role="alert" color="red" variant="light" icon={<IconAlertTriangle size={18} />}>
      {text}
    </Alert>
  );
}
