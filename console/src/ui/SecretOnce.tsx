import { Alert, Stack } from '@mantine/core';
import { IconEyeOff } from '@tabler/icons-react';
import { Copyable } from './Copyable';

/** A secret that was just made: it lives in this page's memory alone, and is gone with it. */
export function SecretOnce({ name, secret }: { name: string; secret: string }) {
  return (
    <Stack gap="sm">
      <Alert color="yellow" variant="light" icon={<IconEyeOff size={18} />} title="Shown once">
        Copy it now and keep it where secrets belong, such as an environment variable or a vault.
        Farebox keeps only a fingerprint and cannot show it again.
      </Alert>
      <Copyable name={name} text={secret} />
    </Stack>
  );
}
