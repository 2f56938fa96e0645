import { call, createKey } from './keys.ts';
import { expect, NEEDS_SERVER, test } from './page.ts';
import { fresh, signIn } from './people.ts';

test.skip(NEEDS_SERVER.isMissing, NEEDS_SERVER.why);

test('a revoked key stops the next call', async ({ page }) => {
  await signIn(page);
  const name = fresh('Doomed');
  const secret = await createKey(page, name);
  expect((await call(page, secret)).status()).toBe(200);
  await page.getByRole('button', { name: 'Done' }).click();
  await page.getByRole('button', { name: `Actions for ${name}` }).click();
  await page.getByRole('menuitem', { name: 'Revoke' }).click();
  const question = page.getByRole('dialog', { name: `Revoke ${name}?` });
  await expect(question).toContainText('1 request to hello-1');
  await expect(page.getByRole('button', { name: 'Revoke key' })).toBeDisabled();
  await page.getByLabel(/^Type/).fill(name);
  await page.getByRole('button', { name: 'Revoke key' }).click();
  await expect(page.getByText(name)).toHaveCount(0);
  expect((await call(page, secret)).status()).toBe(401);
});

test('a rotated key works on with both secrets until its grace ends', async ({ page }) => {
  await signIn(page);
  const name = fresh('Turning');
  const before = await createKey(page, name);
  await page.getByRole('button', { name: 'Done' }).click();
  const rotate = async (ends: string) => {
    await page.getByRole('button', { name: `Actions for ${name}` }).click();
    await page.getByRole('menuitem', { name: 'Rotate' }).click();
    const choice = page.getByRole('combobox', { name: 'The old secret stops working' });
    await choice.click();
    await page.getByRole('option', { name: ends }).click();
    await expect(choice).toHaveValue(ends);
    await page.getByRole('dialog').getByRole('button', { name: 'Rotate' }).click();
    const secret = await page.getByRole('group', { name: `new secret of ${name}` }).innerText();
    await page.getByRole('button', { name: 'Done' }).click();
    return secret.trim();
  };
  const between = await rotate('In an hour');
  await expect(page.getByRole('row', { name })).toContainText('old secret works');
  expect((await call(page, before)).status()).toBe(200);
  expect((await call(page, between)).status()).toBe(200);
  const after = await rotate('At once');
  expect((await call(page, before)).status()).toBe(401);
  expect((await call(page, between)).status()).toBe(401);
  expect((await call(page, after)).status()).toBe(200);
});

test('a key is born with its limits', async ({ page }) => {
  await signIn(page);
  const name = fresh('Limited');
  await page.goto('/keys');
  await page.getByRole('button', { name: 'Create key' }).first().click();
  await page.getByLabel('Name').fill(name);
  await page.getByLabel('Budget in USD').fill('abc');
  await page.getByRole('dialog').getByRole('button', { name: 'Create key' }).click();
  await expect(page.getByRole('dialog')).toContainText(/amount/i);
  await page.getByLabel('Budget in USD').fill('1.00');
  await page.getByLabel('Requests a minute').fill('1');
  await page.getByRole('dialog').getByRole('button', { name: 'Create key' }).click();
  const secret = (await page.getByRole('group', { name: `key ${name}` }).innerText()).trim();
  expect((await call(page, secret)).status()).toBe(200);
  const second = await call(page, secret);
  expect([second.status(), second.headers()['x-ratelimit-limit-requests']]).toEqual([429, '1']);
  await page.goto('/limits');
  await expect(page.getByRole('row', { name: `Key ${name}` })).toContainText('$1.00 a month');
});

test('what a key spent this month is beside it', async ({ page }) => {
  await signIn(page);
  const name = fresh('Spender');
  expect((await call(page, await createKey(page, name))).status()).toBe(200);
  await page.reload();
  await expect(page.getByRole('row', { name })).toContainText('$0.000018');
});

test('a hard budget refuses the very next call', async ({ page }) => {
  await signIn(page);
  const name = fresh('Tight');
  const secret = await createKey(page, name);
  await page.goto('/limits');
  await page.getByRole('button', { name: 'Make a budget' }).click();
  await page.getByRole('combobox', { name: 'On' }).click();
  await page.getByRole('option', { name: 'A key' }).click();
  await page.getByRole('combobox', { name: 'Project' }).click();
  await page.getByRole('option').first().click();
  await page.getByRole('combobox', { name: 'Key' }).click();
  await page.getByRole('option', { name }).click();
  await page.getByLabel('Limit in USD').fill('0.0000001');
  await page.getByRole('dialog').getByRole('button', { name: 'Make' }).click();
  await expect(page.getByRole('dialog')).toHaveCount(0);
  expect((await call(page, secret)).status()).toBe(429);
});

test('a key is made without a mouse', async ({ page }) => {
  const name = fresh('Typed');
  await signIn(page);
  await page.goto('/keys');
  // A key pressed before the page is drawn goes nowhere.
  await expect(page.getByRole('button', { name: 'Create key' }).first()).toBeEnabled();
  await page.keyboard.press('Tab');
  await expect(page.getByRole('link', { name: 'Skip to content' })).toBeFocused();
  await page.keyboard.press('Enter');
  await page.keyboard.press('Tab');
  await expect(page.getByRole('button', { name: 'Create key' }).first()).toBeFocused();
  await page.keyboard.press('Enter');
  await expect(page.getByLabel('Name')).toBeFocused();
  await page.keyboard.type(name);
  await page.keyboard.press('Enter');
  await expect(page.getByRole('group', { name: `key ${name}` })).toContainText('sk-proj-fare');
  const done = page.getByRole('button', { name: 'Done' });
  for (let stops = 0; stops < 6 && !(await isFocused(done)); stops += 1) {
    await page.keyboard.press('Tab');
  }
  await page.keyboard.press('Enter');
  await expect(page.getByRole('dialog')).toHaveCount(0);
  await expect(page.getByRole('button', { name: 'Create key' }).first()).toBeFocused();
  await expect(page.getByText(name, { exact: true })).toBeVisible();
});

async function isFocused(locator: ReturnType<import('@playwright/test').Page['locator']>) {
  return locator.evaluate((element) => element === document.activeElement);
}
