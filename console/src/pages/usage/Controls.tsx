import { Group, SegmentedControl, Select, TextInput } from '@mantine/core';
import { useNow } from '../../ui/now';
import type { Look } from './look';
import { between, isoDay, RANGES } from './range';
import type { Grouping, Measure } from './report';

const MEASURES = [
  { value: 'spend', label: 'Spend' },
  { value: 'tokens', label: 'Tokens' },
  { value: 'requests', label: 'Requests' },
];
export const GROUPINGS: { value: Grouping; label: string }[] = [
  { value: 'model', label: 'Model' },
  { value: 'project_id', label: 'Project' },
  { value: 'api_key_id', label: 'Key' },
  { value: 'user_id', label: 'Person' },
];
const SPANS = [
  { value: '1', label: 'Today' },
  ...RANGES,
  { value: 'custom', label: 'From … to …' },
];

interface ControlsProps {
  look: Look;
  set: (change: Partial<Look>) => void;
  /** The budgets that a line can be drawn for; empty where none makes sense. */
  budgets: { value: string; label: string }[];
  budget: string;
}

/** What is shown, how it is split, and of which time. */
export function Controls({ look, set, budgets, budget }: ControlsProps) {
  const now = useNow();
  const today = isoDay(now);
  return (
    <Group align="flex-end">
      <SegmentedControl
        aria-label="What is shown"
        data={MEASURES}
        value={look.measure ?? 'spend'}
        onChange={(value) => {
          set({ measure: value as Measure });
        }}
      />
      <Select
        label="Split by"
        data={GROUPINGS}
        value={look.by ?? 'model'}
        allowDeselect={false}
        w={130}
        onChange={(value) => {
          if (value) set({ by: value });
        }}
      />
      <Select
        label="Time"
        data={SPANS}
        value={String(look.range ?? 'month')}
        allowDeselect={false}
        w={150}
        onChange={(value) => {
          const days = { from: look.from ?? today, to: look.to ?? today };
          set({ range: value ?? 'month', ...(value === 'custom' && days) });
        }}
      />
      {look.range === 'custom' && <Days look={look} set={set} today={today} now={now} />}
      {budgets.length > 0 && (
        <Select
          label="Budget line"
          data={[{ value: 'none', label: 'None' }, ...budgets]}
          value={budget}
          allowDeselect={false}
          w={250}
          onChange={(value) => {
            set({ budget: value ?? 'none' });
          }}
        />
      )}
    </Group>
  );
}

interface DaysProps {
  look: Look;
  set: (change: Partial<Look>) => void;
  today: string;
  now: number;
}

function Days({ look, set, today, now }: DaysProps) {
  const { from = '', to = '' } = look;
  const isSpan = between(from, to, now) !== null;
  return (
    <>
      <TextInput
        type="date"
        label="From"
        max={today}
        value={from}
        error={!isSpan}
        onChange={(event) => {
          set({ from: event.currentTarget.value });
        }}
      />
      <TextInput
        type="date"
        label="To"
        max={today}
        value={to}
        error={isSpan ? null : 'That is no span of days; this month is shown.'}
        onChange={(event) => {
          set({ to: event.currentTarget.value });
        }}
      />
    </>
  );
}
