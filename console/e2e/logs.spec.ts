import { call, createKey } from './keys.ts';
import { expect, NEEDS_SERVER, test } from './page.ts';
import { becomeOwner } from './people.ts';

test.skip(NEEDS_SERVER.isMissing, NEEDS_SERVER.why);

test('a refused request is found in the log, with why it was refused', async ({ page }) => {
  await becomeOwner(page);
  const secret = await createKey(page, 'checkout');
  expect((await call(page, secret)).status()).toBe(200);
  await page.goto('/limits');
  await page.getByRole('button', { name: 'Make a budget' }).click();
  await page.getByLabel('Limit in USD').fill('0.0000001');
  await page.getByRole('dialog').getByRole('button', { name: 'Make' }).click();
  await expect(page.getByRole('dialog')).toHaveCount(0);
  expect((await call(page, secret)).status()).toBe(429);

  const requests = page.getByRole('table', { name: 'Requests' }).getByRole('row');
  await expect(async () => {
    await page.goto('/logs');
    await expect(requests).toHaveCount(3, { timeout: 2_000 });
  }).toPass({ timeout: 20_000 });
  await page.goto('/logs?outcome=refused');
  await expect(requests).toHaveCount(2);
  await requests.last().getByRole('link').click();
  const detail = page.getByRole('dialog', { name: 'Request' });
  await expect(detail.getByRole('heading', { name: 'Why it was refused' })).toBeVisible();
  const refused = detail.getByRole('listitem').filter({ has: page.getByRole('img', { name: 'Refused' }) });
  await expect(refused).toContainText('$0.0000001');
});
