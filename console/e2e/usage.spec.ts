import { call, createKey } from './keys.ts';
import { expect, NEEDS_SERVER, test } from './page.ts';
import { becomeOwner } from './people.ts';

test.skip(NEEDS_SERVER.isMissing, NEEDS_SERVER.why);

test('usage leads from a month to the hour, the project and the key', async ({ page }) => {
  await becomeOwner(page);
  const secret = await createKey(page, 'checkout');
  for (let calls = 0; calls < 3; calls += 1) expect((await call(page, secret)).status()).toBe(200);

  await page.goto('/usage');
  const chart = page.getByRole('group', { name: 'Spend by day' });
  const today = chart.getByRole('button').last();
  await expect(today).toHaveAccessibleName(/\$0\.000054; shows its hours$/);
  await page.getByText('The chart as a table').click();
  const numbers = page.getByRole('table', { name: 'Spend by day, as a table' });
  await expect(numbers.getByRole('row').last()).toContainText('so far');
  await expect(numbers.getByRole('row').last()).toContainText('$0.000054');

  const toggle = page.getByRole('group', { name: 'Series' }).getByRole('button');
  await toggle.click();
  await expect(today).toHaveAccessibleName(/\$0\.00; /);
  await toggle.click();

  // The arrow keys go from day to day, and Enter into one.
  await today.focus();
  await page.keyboard.press('Enter');
  await expect(page.getByRole('group', { name: 'Spend by hour' })).toBeVisible();
  await expect(page).toHaveURL(/range=custom/);
  await page.getByRole('table', { name: 'Totals' }).getByRole('button', { name: 'hello-1' }).click();
  await expect(page.getByRole('button', { name: /^Model hello-1/ })).toBeVisible();
  await page.getByRole('table', { name: 'Totals' }).getByRole('button').click();
  await expect(page.getByRole('table', { name: 'Totals' })).toContainText('checkout');
  await page.getByText('Requests', { exact: true }).click();
  await expect(page.getByRole('table', { name: 'Totals' })).toContainText('3');

  await page.getByRole('button', { name: /^Model hello-1/ }).click();
  const file = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Download CSV' }).click();
  expect((await file).suggestedFilename()).toBe('farebox-requests-by-api_key_id.csv');
});

test('usage of months ago is empty, and says so', async ({ page }) => {
  await becomeOwner(page);
  await page.goto('/usage?range=custom&from=2020-01-01&to=2020-12-31');
  await expect(page.getByText('Nothing in this time')).toBeVisible();
  await page.goto('/usage?range=custom&from=2020-02-01&to=2020-01-01');
  await expect(page.getByText(/no span of days/)).toBeVisible();
});

test('ninety days of tokens are read page by page', async ({ page }) => {
  await becomeOwner(page);
  const secret = await createKey(page, 'checkout');
  expect((await call(page, secret)).status()).toBe(200);
  await page.goto('/usage?measure=tokens&range=90');
  const chart = page.getByRole('group', { name: 'Tokens by day' });
  await expect(chart.getByRole('button')).toHaveCount(90);
  await expect(chart.getByRole('button').last()).toHaveAccessibleName(/: 14;/);
});
