import type { Schemas } from '../../api/types';
import type { Column } from '../../ui/DataTable';
import { Money } from '../../ui/Money';
import { SignedMoney } from '../../ui/SignedMoney';
import { When } from '../../ui/When';

type Movement = Schemas['BillingMovement'];

/** What moved the balance, in words. */
export const MOVEMENTS: Record<string, string> = {
  usage: 'Usage of a day',
  purchase: 'Purchased',
  grant: 'Granted',
  redeemed: 'Code redeemed',
  refund: 'Refunded',
  refund_failed: 'Refund came back',
  dispute: 'Disputed at the bank',
  dispute_won: 'Dispute won',
  adjustment: 'Taken back by the operator',
  expiry: 'Lapsed',
  overdraft: 'Credit line opened',
  overdraft_ended: 'Credit line ended',
};

/** How movements are listed: to the organization, and to operators. */
export const MOVEMENT_COLUMNS: Column<Movement>[] = [
  {
    name: 'When',
    cell: ({ created_at: at, kind }) => <When at={at} as={kind === 'usage' ? 'day' : 'minute'} />,
  },
  {
    name: 'What',
    cell: ({ kind, request_count: requests }) =>
      `${MOVEMENTS[kind] ?? kind}${requests ? `, ${requests.toLocaleString()} requests` : ''}`,
  },
  { name: 'Why', cell: ({ reason }) => reason ?? '' },
  {
    name: 'Amount',
    align: 'right',
    cell: ({ amount_usd: amount }) => <SignedMoney amount={amount} />,
  },
  {
    name: 'Balance after',
    align: 'right',
    cell: ({ balance_after_usd: after }) => (after ? <Money amount={after} /> : ''),
  },
];
