import { randomInt } from 'node:crypto';
import { call, createKey } from './keys.ts';
import { expect, NEEDS_SERVER, test } from './page.ts';
import { anotherPage, becomeOwner, fresh, signIn } from './people.ts';

test.skip(NEEDS_SERVER.isMissing, NEEDS_SERVER.why);

test('the operator makes codes, and an owner turns one into credit', async ({ page, browser }) => {
  await signIn(page);
  const note = fresh('Workshop');
  await page.goto('/operator/codes');
  await page.getByRole('button', { name: 'Make codes' }).click();
  const dialog = page.getByRole('dialog', { name: 'Make codes' });
  await dialog.getByLabel('What they are for').fill(note);
  await dialog.getByLabel('Each gives, in USD').fill('2.50');
  await dialog.getByRole('button', { name: 'Make codes' }).click();
  const code = (await dialog.getByRole('group', { name: 'code', exact: true }).innerText()).trim();
  await dialog.getByRole('button', { name: 'Done' }).click();
  await expect(page.getByRole('row', { name: note })).toContainText('0 of 1');

  const owner = await anotherPage(browser);
  await becomeOwner(owner);
  await owner.goto(`/billing?code=${code}`);
  await expect(owner.getByText('$5.00').first()).toBeVisible();
  await owner.getByRole('button', { name: 'Redeem' }).click();
  await expect(owner.getByText('$2.50 of credit is yours')).toContainText('The balance is $7.50.');
  await expect(owner.getByRole('alert').or(owner.getByRole('status')).getByText(note)).toBeVisible();

  await page.reload();
  await page.getByRole('link', { name: note }).click();
  const batch = page.getByRole('dialog', { name: 'Batch of codes' });
  await expect(batch.getByRole('table', { name: 'Uses' }).getByRole('row')).toHaveCount(2);
});

test('a markup is looked at before it is in force, and charges from then on', async ({
  page,
  browser,
}) => {
  await signIn(page);
  const owner = await anotherPage(browser);
  const name = await becomeOwner(owner);
  const secret = await createKey(owner, 'checkout');
  expect((await call(owner, secret)).headers()['farebox-cost']).toBe('0.000018');

  await page.goto('/operator/organizations');
  await page.getByLabel('Search').fill(name);
  await page.getByRole('link', { name }).click();
  await page.getByRole('button', { name: 'Add a markup' }).click();
  const dialog = page.getByRole('dialog', { name: 'Add a markup' });
  await dialog.getByLabel('Per cent').fill('50');
  await dialog.getByRole('combobox', { name: 'Look at' }).click();
  await page.getByRole('option', { name: 'This month so far' }).click();
  await dialog.getByRole('button', { name: 'What would it change?' }).click();
  await expect(dialog.getByRole('table', { name: 'Models that it changes' })).toContainText('$0.000027');
  await dialog.getByRole('button', { name: 'Add', exact: true }).click();
  await expect(page.getByRole('table', { name: 'Markups' })).toContainText('+50');
  expect((await call(owner, secret)).headers()['farebox-cost']).toBe('0.000027');
});

test('a price is looked at before it is in the book, and taken out again', async ({ page }) => {
  await signIn(page);
  expect((await call(page, await createKey(page, fresh('Priced')))).status()).toBe(200);
  await page.goto('/operator/model/hello-1');
  // No other browser puts the same price in at the same minute.
  // A price has no zeros at its end.
  const digits = String(10 * randomInt(100, 999) + randomInt(1, 10));
  const [day, minutes] = [1 + (Number(digits) % 28), Number(digits) % 60].map((number) =>
    String(number).padStart(2, '0'),
  );
  await page.getByLabel('Output', { exact: true }).fill(`4.${digits}`);
  await page.getByLabel('In force from').fill(`2090-01-${day}T0${digits[0]}:${minutes}`);
  const preview = page.getByRole('button', { name: 'What would it change?' });
  await preview.click();
  await expect(page.getByText('Nobody used the model in that time.')).toBeVisible();
  await page.getByRole('combobox', { name: 'Look at' }).click();
  await page.getByRole('option', { name: 'This month so far' }).click();
  await preview.click();
  const changes = page.getByRole('table', { name: 'Organizations that it changes' });
  await expect(changes).toContainText('Acme');
  await page.getByRole('button', { name: 'Put it into the book' }).click();
  const price = page.getByRole('table', { name: 'Prices' }).getByRole('row', { name: digits });
  await expect(price).toContainText('2090');
  await price.getByRole('button', { name: 'Withdraw' }).click();
  await expect(price).toContainText(/withdrawn/i);
});
