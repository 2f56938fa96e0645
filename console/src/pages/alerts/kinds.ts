import { usd } from '../../ui/money';
import { dayOf } from '../../ui/time';

export interface Kind {
  id: string;
  name: string;
  /** When it is told. */
  text: string;
  /** Who gets a mail whatever is chosen. */
  always?: string;
}

/** What an organization is told of, as docs/alerts.md lists it. */
export const KINDS: Kind[] = [
  {
    id: 'budget_threshold',
    name: 'Budget threshold',
    text: 'Spending reached a threshold of a budget or a spend alert.',
    always: 'The recipients of a spend alert always get theirs.',
  },
  {
    id: 'low_balance',
    name: 'Low balance',
    text: 'The balance fell below the organization’s threshold.',
  },
  {
    id: 'recharge_failed',
    name: 'Recharge declined',
    text: 'The saved card was declined; it is tried again.',
  },
  {
    id: 'recharge_needs_action',
    name: 'Recharge to confirm',
    text: 'The bank wants the card’s owner to confirm a payment.',
  },
  {
    id: 'recharge_disabled',
    name: 'Auto-recharge off',
    text: 'Auto-recharge was switched off after declines.',
  },
  { id: 'payment_disputed', name: 'Dispute', text: 'A bank takes a payment back.' },
  {
    id: 'key_leaked',
    name: 'Leaked key',
    text: 'A key was found where others can read it.',
    always: 'The key’s owner always gets one.',
  },
  {
    id: 'new_sign_in',
    name: 'New sign-in',
    text: 'Somebody signed in from where they never did.',
    always: 'That person always gets one.',
  },
  { id: 'statement_ready', name: 'Statement', text: 'A month’s statement is there.' },
  { id: 'receipt', name: 'Receipt', text: 'A purchase was paid.' },
  {
    id: 'webhook_disabled',
    name: 'Webhook off',
    text: 'An endpoint took nothing for five days, or answered 410.',
  },
];

export function kindName(id: string): string {
  if (id === 'test') return 'Test';
  return KINDS.find((kind) => kind.id === id)?.name ?? id.replaceAll('_', ' ');
}

type Facts = Record<string, unknown>;

/** What happened in one line, from the facts of an event. */
export function sentenceOf(kind: string, facts: Facts): string {
  const text = (name: string) => {
    const value = facts[name];
    return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
  };
  const money = (name: string) => usd(text(name));
  const reason = text('reason').replaceAll('_', ' ');
  switch (kind) {
    case 'budget_threshold':
      return `${money('spent_usd')} of ${money('limit_usd')} spent (${text('threshold_percent')} %) on ${text('scope')}`;
    case 'low_balance':
      return `${money('available_usd')} left, below ${money('threshold_usd')}`;
    case 'recharge_failed':
      return `${money('amount_usd')} declined: ${reason}`;
    case 'recharge_needs_action':
      return `${money('amount_usd')} waits for the bank’s confirmation`;
    case 'recharge_disabled':
      return `Off after ${text('failures')} declines: ${reason}`;
    case 'payment_disputed':
      return `${money('amount_usd')} disputed: ${reason}`;
    case 'key_leaked':
      return `${text('name')} (${text('key')}) found in ${text('place')}`;
    case 'new_sign_in':
      return `${text('email')} from ${text('ip_address')}`;
    case 'statement_ready':
      return `${text('month')}, closing at ${money('closing_usd')}`;
    case 'receipt':
      return `${text('number')} over ${money('amount_usd')}`;
    case 'webhook_disabled':
      return `${text('url')}: ${text('why')}`;
    default:
      return typeof facts.at === 'number' ? dayOf(facts.at) : '';
  }
}
