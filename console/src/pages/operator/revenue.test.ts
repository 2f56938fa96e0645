import { expect, test } from 'vitest';
import { fold, shareOf } from './revenue';

const cost = (model: string, revenue: string, paid: string, margin: string) => ({
  object: 'cost',
  model,
  upstream_id: null,
  revenue_usd: revenue,
  cost_usd: paid,
  margin_usd: margin,
  num_model_requests: 2,
  input_tokens: 1,
  output_tokens: 1,
});

test('days and models add up to the total, and what earned most comes first', () => {
  const bucket = { object: 'bucket', end_time: 86_400 };
  const revenue = fold(
    [
      { ...bucket, start_time: 0, results: [cost('a', '1', '0.5', '0.5'), cost('b', '3', '1', '2')] },
      { ...bucket, start_time: 86_400, results: [cost('a', '0.1', '0.2', '-0.1')] },
    ],
    'model',
  );
  expect(revenue.parts.map(({ id }) => id)).toEqual(['b', 'a']);
  expect(revenue.days.map(({ margin }) => margin)).toEqual(['2.50', '-0.10']);
  expect(revenue.total).toMatchObject({ revenue: '4.10', cost: '1.70', margin: '2.40', requests: 6 });
  expect(shareOf(revenue.total)).toBe('59 %');
  expect(shareOf({ ...revenue.total, revenue: '0.00' })).toBe('');
});
