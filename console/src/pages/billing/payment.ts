/** What a payment was for, in words. */
export const PAYMENT_KINDS: Record<string, string> = {
  checkout: 'Purchase',
  recharge: 'Auto-recharge',
  setup: 'Card saved',
};

/** States in which something is still to be done about a payment. */
export const OPEN_STATES = ['open', 'processing'];
