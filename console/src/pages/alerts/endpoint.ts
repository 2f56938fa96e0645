import { queryClient } from '../../api/queries';
import type { Schemas } from '../../api/types';
import { kindName } from './kinds';

export type Endpoint = Schemas['WebhookEndpoint'];

export const refreshEndpoints = () =>
  queryClient.invalidateQueries({ queryKey: ['webhook-endpoints'] });

/** What people call it: its description, or where it is. */
export function nameOf({ description, url }: Endpoint): string {
  return description || url.replace(/^https?:\/\//, '');
}

export function stateOf({ enabled, failing_since: failing }: Endpoint): string {
  if (!enabled) return 'off';
  return failing === null || failing === undefined ? 'active' : 'failing';
}

/** Which alerts it is told of, in words. */
export function kindsOf({ kinds }: Endpoint): string {
  if (!kinds) return 'All alerts';
  return kinds.map(kindName).join(', ') || 'None';
}

const WHY_OFF: Record<string, string> = {
  by_hand: 'Somebody switched it off.',
  failing: 'It took nothing for five days.',
  gone: 'It answered 410: it is gone.',
};

export function whyOff({ disabled_reason: reason }: Endpoint): string {
  return (reason && WHY_OFF[reason]) ?? 'It is switched off.';
}
