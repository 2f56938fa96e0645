import { Checkbox, Stack, Switch, TextInput } from '@mantine/core';
import type { UseFormReturnType } from '@mantine/form';
import { KINDS } from './kinds';

export interface EndpointValues extends Record<string, unknown> {
  type: 'standard' | 'slack';
  url: string;
  description: string;
  hasAll: boolean;
  kinds: string[];
}

const DESCRIPTION_CHARS = 200;

/** What the server refuses of an endpoint, told before it is sent. */
export const endpointRules = {
  url: (url: string) => (/^https?:\/\/./.test(url.trim()) ? null : 'Type an address: https://…'),
  description: (text: string) =>
    text.length > DESCRIPTION_CHARS ? `At most ${DESCRIPTION_CHARS} characters.` : null,
  kinds: (kinds: string[], { hasAll }: EndpointValues) =>
    hasAll || kinds.length > 0 ? null : 'Choose at least one.',
};

/** What the API takes of what was typed. */
export const kindsIn = ({ hasAll, kinds }: EndpointValues) => (hasAll ? null : kinds);

/** Which alerts go to an endpoint, and what people call it. */
export function EndpointFields({ form }: { form: UseFormReturnType<EndpointValues> }) {
  const { getInputProps, values } = form;
  return (
    <>
      <TextInput
        label="Description"
        placeholder="Optional: what it is for"
        {...getInputProps('description')}
      />
      <Switch
        label="All alerts, also kinds to come"
        {...getInputProps('hasAll', { type: 'checkbox' })}
      />
      {!values.hasAll && (
        <Checkbox.Group label="Only these" {...getInputProps('kinds')}>
          <Stack gap="xs" mt="xs">
            {KINDS.map(({ id, name, text }) => (
              <Checkbox key={id} value={id} label={name} description={text} />
            ))}
          </Stack>
        </Checkbox.Group>
      )}
    </>
  );
}
