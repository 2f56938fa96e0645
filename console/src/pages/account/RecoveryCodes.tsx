import { Stack, Text } from '@mantine/core';
import { Copyable } from '../../ui/Copyable';

/** Codes for when the second factor is lost: shown once, to be kept elsewhere. */
export function RecoveryCodes({ codes }: { codes: string[] }) {
  return (
    <Stack gap="sm">
      <Text size="sm">
        Keep these <b>recovery codes</b> where you find them without your phone. Each lets you in
        once in place of the second factor. They are shown this once.
      </Text>
      <Copyable name="recovery codes" text={codes.join('\n')} />
    </Stack>
  );
}
