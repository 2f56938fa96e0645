import { Code, Stack, Text, Title } from '@mantine/core';
import type { ReactNode } from 'react';
import type { Schemas } from '../../api/types';

const WORDS: Record<string, string> = {
  none: 'Not kept. Owners may have prompts and answers kept for some days, under Settings.',
  not_allowed: 'Whether anything is kept is shown to owners, and to whom they let see it.',
  sealed: 'It is kept, but this server does not have the key that opens it.',
};

/** What was asked and answered, where the organization keeps that. */
export function Prompt({ of: prompt }: { of: Schemas['LogPrompt'] }) {
  return (
    <section>
      <Title order={3} size="h5" mb="xs">
        Prompt and answer
      </Title>
      {prompt.state === 'shown' ? (
        <Stack gap="md">
          {prompt.request && <Side name="Request" of={prompt.request} />}
          {prompt.response && <Side name="Answer" of={prompt.response} />}
        </Stack>
      ) : (
        <Text size="sm" c="dimmed">
          {WORDS[prompt.state] ?? prompt.state}
        </Text>
      )}
    </section>
  );
}

/** Easier to read as lines, if it is JSON as a whole. */
function pretty(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

function Side({ name, of: side }: { name: string; of: Schemas['LogText'] }): ReactNode {
  return (
    <div>
      <Text size="sm" fw={550} mb={4}>
        {name}, {side.whole_bytes.toLocaleString()} bytes
        {side.is_cut && ', its beginning'}
      </Text>
      <Code block tabIndex={0} aria-label={name} mah={420} style={{ overflow: 'auto' }}>
        {pretty(side.text)}
      </Code>
    </div>
  );
}
