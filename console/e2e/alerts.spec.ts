import { expect, NEEDS_SERVER, test } from './page.ts';
import { signIn } from './people.ts';

test.skip(NEEDS_SERVER.isMissing, NEEDS_SERVER.why);

test('a webhook is made, its secret shown once, tried, and deleted by name', async ({ page }) => {
  const name = `Robot ${Date.now()}`;
  await signIn(page);
  await page.goto('/alerts?tab=webhooks');
  await page.getByRole('button', { name: 'Add an endpoint' }).click();
  await page.getByRole('button', { name: 'Create' }).click();
  await expect(page.getByText('Type an address')).toBeVisible();
  // This server itself: it answers, and takes nothing.
  await page.getByLabel('Address').fill(new URL('/nowhere', page.url()).href);
  await page.getByLabel('Description').fill(name);
  await page.getByRole('switch', { name: 'All alerts' }).click({ force: true });
  await page.getByRole('checkbox', { name: 'Low balance' }).check();
  await page.getByRole('button', { name: 'Create' }).click();
  await expect(page.getByRole('group', { name: 'signing secret' })).toHaveText(/^whsec_/);
  await page.getByRole('button', { name: 'Go to the endpoint' }).click();

  await expect(page.getByRole('heading', { level: 1 })).toHaveText(name);
  await expect(page.getByText('whsec_')).toHaveCount(0);
  await expect(page.getByText('Low balance', { exact: true })).toBeVisible();
  await page.getByRole('button', { name: 'Send a test' }).click();
  await page.getByRole('link', { name: 'Test' }).click();
  const delivery = page.getByRole('dialog', { name: 'Delivery' });
  await expect(delivery.getByText(/^Answered \d+$/).first()).toBeVisible();
  await expect(delivery.getByLabel('The event')).toContainText('"type": "test"');
  await page.keyboard.press('Escape');
  await expect(delivery).toBeHidden();

  await page.getByRole('button', { name: 'What can be done' }).click();
  await page.getByRole('menuitem', { name: 'Delete' }).click();
  const sure = page.getByRole('dialog', { name: `Delete ${name}?` });
  await expect(sure.getByRole('button', { name: 'Delete endpoint' })).toBeDisabled();
  await sure.getByRole('textbox').fill(name);
  await sure.getByRole('button', { name: 'Delete endpoint' }).click();
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Alerts');
  await expect(page.getByText(name)).toHaveCount(0);
});
