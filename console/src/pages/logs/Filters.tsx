import { Button, Group, Pill, Popover, Select, Stack, TextInput } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { IconFilter } from '@tabler/icons-react';
import { useState } from 'react';
import { useNames, type Named } from '../../session/names';
import { useProjects } from '../../session/project';
import { FILTERS, NAMES, SPANS, useLook, VALUES, valueProblem, type Name } from './filter';

const NAMED: Named[] = ['model', 'project_id', 'api_key_id', 'user_id'];
const isNamed = (name: Name): name is Name & Named => (NAMED as string[]).includes(name);

/** What is looked at: of which time, and narrowed down to what. */
export function Filters() {
  const [look, set] = useLook();
  const names = NAMES.filter((name) => look.filter[name] !== undefined);
  const nameOf = useNames(names.filter(isNamed));
  return (
    <Group align="flex-end" gap="sm">
      <Select
        label="Time"
        data={SPANS}
        value={look.span}
        allowDeselect={false}
        w={180}
        onChange={(span) => {
          set({ span: span ?? undefined });
        }}
      />
      <AddFilter />
      <Group gap="xs" role="group" aria-label="Filters" mih={36}>
        {names.map((name) => {
          const value = look.filter[name] ?? '';
          const shown = isNamed(name) ? nameOf(name, value) : value;
          return (
            <Pill
              key={name}
              size="md"
              withRemoveButton
              removeButtonProps={{
                'aria-label': `Take the filter ${FILTERS[name]} away`,
                tabIndex: 0,
                'aria-hidden': false,
              }}
              onRemove={() => {
                set({ [name]: undefined });
              }}
            >
              {FILTERS[name]}: {shown}
            </Pill>
          );
        })}
      </Group>
    </Group>
  );
}

function AddFilter() {
  const [isOpen, opening] = useDisclosure();
  return (
    <Popover opened={isOpen} onChange={opening.toggle} trapFocus width={300} position="bottom-start">
      <Popover.Target>
        <Button
          variant="default"
          leftSection={<IconFilter size={16} />}
          aria-expanded={isOpen}
          onClick={opening.toggle}
        >
          Filter
        </Button>
      </Popover.Target>
      <Popover.Dropdown>
        <NewFilter close={opening.close} />
      </Popover.Dropdown>
    </Popover>
  );
}

function NewFilter({ close }: { close: () => void }) {
  const [, set] = useLook();
  const [name, setName] = useState<Name>('outcome');
  const [value, setValue] = useState('');
  const [problem, setProblem] = useState<string | null>(null);
  const projects = useProjects();
  const choices =
    name === 'project_id'
      ? (projects.data ?? []).map(({ id, name: label }) => ({ value: id, label }))
      : VALUES[name];
  const change = (chosen: string) => {
    setValue(chosen);
    setProblem(null);
  };
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        const found = valueProblem(name, value);
        setProblem(found);
        if (found) return;
        set({ [name]: value.trim() });
        close();
      }}
    >
      <Stack gap="sm">
        <Select
          label="By"
          data={NAMES.map((id) => ({ value: id, label: FILTERS[id] }))}
          value={name}
          allowDeselect={false}
          comboboxProps={{ withinPortal: false }}
          onChange={(chosen) => {
            if (chosen) setName(chosen);
            change('');
          }}
        />
        {choices ? (
          <Select
            label={FILTERS[name]}
            data={choices}
            value={value || null}
            error={problem}
            comboboxProps={{ withinPortal: false }}
            onChange={(chosen) => {
              change(chosen ?? '');
            }}
          />
        ) : (
          <TextInput
            label={FILTERS[name]}
            value={value}
            error={problem}
            spellCheck={false}
            onChange={(event) => {
              change(event.currentTarget.value);
            }}
          />
        )}
        <Button type="submit">Filter</Button>
      </Stack>
    </form>
  );
}
