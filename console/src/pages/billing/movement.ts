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
