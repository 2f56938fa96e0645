import type { Page } from '@playwright/test';
import { call, createKey } from './keys.ts';
import { expect, NEEDS_SERVER, test } from './page.ts';
import { becomeOwner } from './people.ts';

test.skip(NEEDS_SERVER.isMissing, NEEDS_SERVER.why);

/** Begins to buy the least there is, and types a card on the provider's page. */
async function payWith(page: Page, number: string) {
  await page.goto('/billing');
  await page.getByText('$5.00', { exact: true }).first().click();
  await page.getByRole('button', { name: 'Go to payment' }).click();
  await typeCard(page, number);
}

async function typeCard(page: Page, number: string) {
  await page.getByLabel('Card number').fill(number);
  await page.getByLabel('Expiry').fill('12/40');
  await page.getByLabel('Security code').fill('123');
  await page.getByRole('button', { name: /^(Pay|Save)/ }).click();
}

test('five dollars are bought with a card, and the next call is paid from them', async ({ page }) => {
  await becomeOwner(page);
  await payWith(page, '4242424242424242');
  await expect(page.getByText('$5.00 of credit is yours.')).toBeVisible();
  await expect(page.getByRole('table', { name: 'Credit' })).toContainText('Purchased');

  const answer = await call(page, await createKey(page, 'checkout'));
  expect([answer.status(), answer.headers()['farebox-cost']]).toEqual([200, '0.000018']);

  await page.goto('/billing?tab=payments');
  const paid = page.getByRole('row').filter({ hasText: 'Visa ending in 4242' });
  await expect(paid).toContainText('$5.00');
  await page.goto('/billing?tab=movements');
  await expect(page.getByRole('row').filter({ hasText: 'Purchased' })).toContainText('$5.00');
});

test('papers of a purchase are read and kept', async ({ page }) => {
  await becomeOwner(page);
  await payWith(page, '4242424242424242');
  await expect(page.getByText('$5.00 of credit is yours.')).toBeVisible();
  await page.goto('/billing?tab=documents');
  const pdf = page.getByRole('link', { name: /^PDF of / });
  await expect(pdf.first()).toBeVisible();
  for (const link of await pdf.all()) {
    const paper = await page.request.get((await link.getAttribute('href')) ?? '');
    expect([paper.status(), paper.headers()['content-type']]).toEqual([200, 'application/pdf']);
    expect((await paper.body()).subarray(0, 5).toString()).toBe('%PDF-');
  }
  const receipt = page.getByRole('link', { name: /^View (?!the statement)/ });
  const shown = await page.request.get((await receipt.getAttribute('href')) ?? '');
  expect(await shown.text()).toContain('5.00');
});

test('a card that is declined pays nothing, and another one does', async ({ page, expected }) => {
  expected(/\/test-payments\//);
  await becomeOwner(page);
  await payWith(page, '4000000000000002');
  await expect(page.getByRole('alert')).toHaveText('Your card was declined.');
  await typeCard(page, '4242424242424242');
  await expect(page.getByText('$5.00 of credit is yours.')).toBeVisible();
});

test('a payment that is cancelled charges nothing', async ({ page, expected }) => {
  expected(/\/test-payments\//);
  await becomeOwner(page);
  await payWith(page, '4000000000009995');
  await expect(page.getByRole('alert')).toHaveText('Your card has insufficient funds.');
  await page.getByRole('link', { name: 'Cancel and go back' }).click();
  await expect(page.getByRole('link', { name: 'Go on paying' })).toBeVisible();
  await page.getByRole('button', { name: 'Cancel the payment' }).click();
  await expect(page.getByText('Nothing was paid', { exact: true })).toBeVisible();
  await expect(page.getByRole('table', { name: 'Credit' })).not.toContainText('Purchased');
});

test('a bank that asks who pays is answered, or pays nothing', async ({ page, expected }) => {
  expected(/\/test-payments\//);
  await becomeOwner(page);
  await payWith(page, '4000002760003184');
  await expect(page.getByRole('heading', { name: 'Is it you?' })).toBeVisible();
  await page.getByRole('button', { name: 'Fail' }).click();
  await expect(page.getByRole('alert')).toContainText(/confirm with your bank/);
  await typeCard(page, '4000002760003184');
  await page.getByRole('button', { name: 'Complete' }).click();
  await expect(page.getByText('$5.00 of credit is yours.')).toBeVisible();
});

test('a card is kept, and fills up a wallet that runs low', async ({ page }) => {
  await becomeOwner(page);
  await page.goto('/billing?tab=methods');
  await page.getByRole('button', { name: 'Add a card' }).click();
  await typeCard(page, '5555555555554444');
  await page.goto('/billing?tab=methods');
  await expect(page.getByRole('table', { name: 'Cards' })).toContainText('Mastercard ending in 4444');
  await page.getByRole('switch', { name: 'On' }).click({ force: true });
  await page.getByLabel('When the balance falls below').fill('20');
  await page.getByLabel('Bring it back to').fill('30');
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await expect(page.getByText('Saved.')).toBeVisible();

  expect((await call(page, await createKey(page, 'hungry'))).status()).toBe(200);
  await expect(async () => {
    await page.goto('/billing?tab=payments');
    const recharge = page.getByRole('row').filter({ hasText: 'Auto-recharge' });
    await expect(recharge).toContainText(/succeeded/i, { timeout: 2_000 });
  }).toPass({ timeout: 20_000 });
});
