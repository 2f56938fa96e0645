/** Parts of a decimal number as the API writes it: no floating point touches an amount. */
const DECIMAL = /^(-?)(\d+)(?:\.(\d+))?$/;

/** Digits in groups of three. */
function grouped(digits: string): string {
  return digits.replace(/\B(?=(\d{3})+(?!\d))/g, ',');
}

/**
 * An amount as people read it: cents, and more digits only where cents would hide it. "0.0000432"
 * becomes "$0.000043", "1234.5" becomes "$1,234.50".
 */
export function usd(amount: string): string {
  const parts = DECIMAL.exec(amount);
  if (!parts) return amount;
  const [, minus = '', whole = '0', fraction = ''] = parts;
  const isSmall = /^0*$/.test(whole) && fraction.startsWith('00');
  const first = fraction.search(/[1-9]/);
  if (isSmall && first >= 0) return `${minus}$0.${fraction.slice(0, first + 2).replace(/0+$/, '')}`;
  const cents = roundedCents(whole, fraction);
  return `${isZero(cents) ? '' : minus}$${grouped(cents.slice(0, -2))}.${cents.slice(-2)}`;
}

/** Every digit of an amount in whatever currency, in groups of three. */
export function decimal(amount: string): string {
  const [whole = '', fraction] = amount.split('.');
  return fraction === undefined ? grouped(whole) : `${grouped(whole)}.${fraction}`;
}

/** Every digit of an amount, and at least cents. */
export function exactUsd(amount: string): string {
  const parts = DECIMAL.exec(amount);
  if (!parts) return amount;
  const [, minus = '', whole = '0', fraction = ''] = parts;
  return `${minus}$${grouped(whole)}.${fraction.padEnd(2, '0')}`;
}

/** Whole cents as digits, half a cent rounded up: at least three of them. */
function roundedCents(whole: string, fraction: string): string {
  const digits = BigInt(whole + fraction.padEnd(3, '0').slice(0, 3));
  return ((digits + 5n) / 10n).toString().padStart(3, '0');
}

function isZero(digits: string): boolean {
  return /^0+$/.test(digits);
}

/** A number from a report of OpenAI's shape, which has numbers for amounts. */
export function usdOfNumber(amount: number): string {
  return usd(amount.toFixed(9).replace(/0+$/, '').replace(/\.$/, ''));
}

const NANOS_DIGITS = 9;

/** Billionths of a dollar; what is no amount counts as none. */
function nanosOf(amount: string): bigint {
  const parts = DECIMAL.exec(amount);
  if (!parts) return 0n;
  const [, minus = '', whole = '0', fraction = ''] = parts;
  const nanos = BigInt(whole + fraction.slice(0, NANOS_DIGITS).padEnd(NANOS_DIGITS, '0'));
  return minus ? -nanos : nanos;
}

/** Amounts together, exact to the billionth of a dollar. */
export function sumUsd(amounts: string[]): string {
  const sum = amounts.reduce((nanos, amount) => nanos + nanosOf(amount), 0n);
  const digits = (sum < 0n ? -sum : sum).toString().padStart(NANOS_DIGITS + 1, '0');
  const fraction = digits.slice(-NANOS_DIGITS).replace(/0+$/, '').padEnd(2, '0');
  return `${sum < 0n ? '-' : ''}${digits.slice(0, -NANOS_DIGITS)}.${fraction}`;
}
