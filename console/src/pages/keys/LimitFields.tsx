import { Group, NumberInput, Select, Stack, Text, TextInput } from '@mantine/core';
import type { UseFormReturnType } from '@mantine/form';
import { Fields } from '../../ui/Fields';
import { WINDOWS } from '../limits/windows';
import type { LimitValues } from './limits';

/** What a new key may spend and how fast it may ask: in force from its first call on. */
export function LimitFields<Values extends LimitValues>({ form }: { form: UseFormReturnType<Values> }) {
  return (
    <Fields legend="Limits">
      <Stack gap="xs">
        <Text size="xs" c="dimmed">
          Leave empty what is not to be limited. A call that does not fit is refused, and costs nothing.
        </Text>
        <Group grow align="flex-start">
          <TextInput
            label="Budget in USD"
            placeholder="No budget"
            inputMode="decimal"
            {...form.getInputProps('budget_usd')}
          />
          <Select
            label="For"
            data={WINDOWS}
            allowDeselect={false}
            {...form.getInputProps('budget_window')}
          />
        </Group>
        <Group grow align="flex-start">
          <NumberInput
            label="Requests a minute"
            placeholder="No limit"
            min={0}
            allowDecimal={false}
            thousandSeparator=","
            {...form.getInputProps('requests_per_minute')}
          />
          <NumberInput
            label="Tokens a minute"
            placeholder="No limit"
            min={0}
            allowDecimal={false}
            thousandSeparator=","
            {...form.getInputProps('tokens_per_minute')}
          />
        </Group>
      </Stack>
    </Fields>
  );
}
