/** Basis points, hundredths of a per cent, as people write them: 1250 is "+12.5 %". */
export function percentOf(basisPoints: number): string {
  const sign = basisPoints > 0 ? '+' : basisPoints < 0 ? '−' : '';
  const whole = Math.floor(Math.abs(basisPoints) / 100);
  const rest = String(Math.abs(basisPoints) % 100).padStart(2, '0').replace(/0+$/, '');
  return `${sign}${whole}${rest && `.${rest}`} %`;
}

const LEAST = -9_999;
const MOST = 100_000;
const PERCENT = /^([+-]?)(\d{1,4})(?:\.(\d{1,2}))?$/;

/** What was typed, in basis points; null if it is no percentage that the server takes. */
export function basisPointsOf(text: string): number | null {
  const parts = PERCENT.exec(text.trim().replace('−', '-').replace(/\s*%$/, ''));
  if (!parts) return null;
  const [, sign, whole = '0', fraction = ''] = parts;
  const points = Number(whole) * 100 + Number(fraction.padEnd(2, '0'));
  const signed = sign === '-' ? -points : points;
  return signed >= LEAST && signed <= MOST ? signed : null;
}
