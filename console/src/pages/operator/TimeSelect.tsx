import { Select } from '@mantine/core';
import { RANGES } from '../usage/range';
import type { RevenueLook } from './revenueLook';

interface TimeSelectProps {
  look: RevenueLook;
  set: (change: RevenueLook) => void;
}

/** Of which time the revenue is shown. */
export function TimeSelect({ look, set }: TimeSelectProps) {
  return (
    <Select
      label="Time"
      data={RANGES}
      value={String(look.range ?? 'month')}
      allowDeselect={false}
      w={150}
      onChange={(range) => {
        set({ range: range ?? 'month' });
      }}
    />
  );
}
