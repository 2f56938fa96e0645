import { describe, expect, test } from 'vitest';
import { decimal, exactUsd, sumUsd, usd, usdOfNumber } from './money';

describe('amounts', () => {
  test.each([
    ['0', '$0.00'],
    ['5', '$5.00'],
    ['5.00', '$5.00'],
    ['1234567.5', '$1,234,567.50'],
    ['0.0000432', '$0.000043'],
    ['0.000000001', '$0.000000001'],
    ['0.01', '$0.01'],
    ['0.015', '$0.02'],
    ['9.995', '$10.00'],
    ['-3.5', '-$3.50'],
    ['-0.0000432', '-$0.000043'],
    ['not a number', 'not a number'],
  ])('%s is read as %s', (amount, read) => {
    expect(usd(amount)).toBe(read);
  });

  test('every digit shows where that is asked for', () => {
    expect(exactUsd('1234.000000001')).toBe('$1,234.000000001');
    expect(exactUsd('5')).toBe('$5.00');
  });

  test('amounts in other currencies have the digits that they have', () => {
    expect(decimal('1234567.50')).toBe('1,234,567.50');
    expect(decimal('25000')).toBe('25,000');
  });

  test('numbers of reports are read alike', () => {
    expect(usdOfNumber(0.0000432)).toBe('$0.000043');
    expect(usdOfNumber(12)).toBe('$12.00');
  });

  test('sums are exact', () => {
    expect(sumUsd(['0.1', '0.2'])).toBe('0.30');
    expect(sumUsd(['1', '-0.000000001'])).toBe('0.999999999');
    expect(sumUsd(['0.5', '-2'])).toBe('-1.50');
    expect(sumUsd([])).toBe('0.00');
  });
});
