import { Badge } from '@mantine/core';

const COLORS: Record<string, string> = {
  active: 'fare',
  answering: 'fare',
  delivered: 'fare',
  done: 'fare',
  in_force: 'fare',
  passed: 'fare',
  succeeded: 'fare',
  matched: 'fare',
  open: 'yellow',
  partly_refunded: 'yellow',
  pending: 'yellow',
  processing: 'yellow',
  disabled: 'gray',
  expired: 'gray',
  cancelled: 'gray',
  refunded: 'gray',
  proved: 'fare',
  waiting: 'yellow',
  running: 'yellow',
  planned: 'yellow',
  to_come: 'yellow',
  unknown: 'gray',
  not_started: 'gray',
  off: 'gray',
  past: 'gray',
  withdrawn: 'gray',
};

/** A state as a word in a colour; what is not known to be well is red. */
export function StateBadge({ state }: { state: string }) {
  return (
    <Badge variant="light" tt="none" miw="fit-content" color={COLORS[state] ?? 'red'}>
      {state.replaceAll('_', ' ')}
    </Badge>
  );
}
