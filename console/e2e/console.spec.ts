import AxeBuilder from '@axe-core/playwright';
import type { Page } from '@playwright/test';
import { expect, test } from './page.ts';
import { codeFor, freshEmail, freshPhone, inMessage, PASSWORD, signIn } from './people.ts';

test.skip(process.env.FAREBOX_BASE_URL === undefined, 'these need a server');

/** Every view of somebody who owns the organization and runs the installation. */
const VIEWS: [path: string, title: string | RegExp][] = [
  ['/', /^Hello, /],
  ['/playground', 'Playground'],
  ['/keys', 'API keys'],
  ['/usage', 'Usage'],
  ['/projects', 'Projects'],
  ['/members', 'Members'],
  ['/members?tab=invites', 'Members'],
  ['/members?tab=groups', 'Members'],
  ['/members?tab=roles', 'Members'],
  ['/billing', 'Billing'],
  ['/billing?tab=methods', 'Billing'],
  ['/billing?tab=movements', 'Billing'],
  ['/billing?tab=payments', 'Billing'],
  ['/billing?tab=documents', 'Billing'],
  ['/limits', 'Limits'],
  ['/limits?tab=rates', 'Limits'],
  ['/alerts', 'Alerts'],
  ['/alerts?tab=mails', 'Alerts'],
  ['/alerts?tab=webhooks', 'Alerts'],
  ['/audit-log', 'Audit log'],
  ['/settings', 'Settings'],
  ['/account', 'Your account'],
  ['/reference', 'API reference'],
  ['/outbox', 'Outbox'],
  ['/operator/organizations', 'Organizations'],
  ['/operator/users', 'Users'],
  ['/operator/upstreams', 'Upstreams'],
  ['/operator/models', 'Models and prices'],
  ['/operator/model/hello-1', 'hello-1'],
  ['/operator/payments', 'Payments'],
  ['/operator/payments?tab=unmatched', 'Payments'],
  ['/operator/payments?tab=comparisons', 'Payments'],
  ['/operator/codes', 'Redeem codes'],
  ['/operator/jobs', 'Messages'],
  ['/operator/ledger', 'Ledger'],
  ['/operator/settings', 'Installation'],
];

async function isSound(page: Page, where: string) {
  const overflow = await page.evaluate(
    () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
  );
  expect(overflow, `${where} is wider than the screen`).toBe(0);
  const { violations } = await new AxeBuilder({ page }).analyze();
  expect(violations.map(({ id, nodes }) => [id, nodes[0]?.html]), where).toEqual([]);
}

test('every view shows, fits, and has no accessibility fault that axe can find', async ({ page }) => {
  test.setTimeout(300_000);
  await signIn(page);
  for (const [path, title] of VIEWS) {
    await page.goto(path);
    await expect(page.getByRole('heading', { level: 1 })).toHaveText(title);
    await expect(page.getByRole('status', { name: 'Loading' })).toHaveCount(0);
    await isSound(page, path);
  }
});

test('entry pages have no accessibility fault that axe can find', async ({ page }) => {
  for (const path of ['/sign-in', '/sign-up', '/forgot-password', '/reset-password', '/nowhere-at-all']) {
    await page.goto(path);
    await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
    await isSound(page, path);
  }
});

test('a newcomer signs up, makes a key, and gets a first answer', async ({ page }) => {
  const email = freshEmail('new');
  const phone = freshPhone();
  await page.goto('/sign-up');
  await page.getByLabel('Name').fill('Grace Hopper');
  await page.getByLabel('E-mail').fill(email);
  await page.getByRole('textbox', { name: 'Password' }).fill(PASSWORD);
  await page.getByLabel('Organization').fill('Compilers');
  await page.getByRole('button', { name: 'Create account' }).click();

  await page.getByLabel('Code from the mail').fill(await codeFor(page, email));
  await page.getByRole('button', { name: 'Go on' }).click();
  await page.getByLabel('Phone number').fill(phone);
  await page.getByRole('button', { name: 'Send the code' }).click();
  await page.getByLabel('Code from the text message').fill(await codeFor(page, phone));
  await page.getByRole('button', { name: 'Go on' }).click();

  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Hello, Grace Hopper');
  await page.getByRole('button', { name: 'Create key' }).click();
  await expect(page.getByRole('group', { name: 'key My first key' })).toContainText('sk-proj-fare');
  await page.getByRole('button', { name: 'Test' }).click();
  await expect(page.getByLabel('The answer')).toContainText('Hello, World!');
  await expect(page.getByText(/cost \$0\.0000/)).toBeVisible();
  await expect(page.getByText('First request answered')).toBeVisible();

  const stored = await page.evaluate(() => JSON.stringify([localStorage, sessionStorage]));
  expect(stored).not.toContain('sk-');
});

test('signing in leads back to where one was, and refuses what is wrong', async ({ page, expected }) => {
  expected(/\/api\/sessions$/);
  await page.goto('/limits');
  await expect(page).toHaveURL(/\/sign-in\?return_to=/);
  await page.getByLabel('E-mail').fill('owner@example.com');
  await page.getByRole('textbox', { name: 'Password' }).fill('wrong horse battery staple');
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await expect(page.getByRole('alert')).toBeVisible();
  await expect(page.getByLabel('E-mail')).toHaveValue('owner@example.com');
  await page.getByRole('textbox', { name: 'Password' }).fill(PASSWORD);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Limits');
});

test('a revoked key stops the next call', async ({ page, baseURL }) => {
  await signIn(page);
  await page.goto('/keys');
  const name = `Doomed ${Date.now().toString(36)}`;
  await page.getByRole('button', { name: 'Create key' }).first().click();
  await page.getByLabel('Name').fill(name);
  await page.getByRole('dialog').getByRole('button', { name: 'Create key' }).click();
  const secret = await page.getByRole('group', { name: `key ${name}` }).innerText();
  const call = () =>
    page.request.post(`${baseURL ?? ''}/v1/chat/completions`, {
      headers: { authorization: `Bearer ${secret.trim()}` },
      data: { model: 'hello-1', messages: [{ role: 'user', content: 'Hello' }] },
    });
  expect((await call()).status()).toBe(200);
  await page.getByRole('button', { name: 'Done' }).click();
  await page.getByRole('button', { name: `Actions for ${name}` }).click();
  await page.getByRole('menuitem', { name: 'Revoke' }).click();
  await expect(page.getByRole('button', { name: 'Revoke key' })).toBeDisabled();
  await page.getByLabel(/^Type/).fill(name);
  await page.getByRole('button', { name: 'Revoke key' }).click();
  await expect(page.getByText(name)).toHaveCount(0);
  expect((await call()).status()).toBe(401);
});

test('the playground streams an answer and says what it cost', async ({ page }) => {
  await signIn(page);
  await page.goto('/playground');
  await page.getByRole('button', { name: 'Send' }).click();
  await expect(page.getByRole('log', { name: 'Answer' })).toHaveText('Hello, World!');
  await expect(page.getByText('10 tokens in, 4 out')).toBeVisible();
  await expect(page.getByText(/cost \$0\.000018/)).toBeVisible();
});

test('an invite is accepted by a second person, who sees less', async ({ page, browser, expected }) => {
  test.setTimeout(150_000);
  await signIn(page);
  const email = freshEmail('guest');
  await page.goto('/members?tab=invites');
  await page.getByRole('button', { name: 'Invite somebody' }).click();
  await page.getByLabel('E-mail').fill(email);
  await page.getByRole('button', { name: 'Send the invite' }).click();
  await expect(page.getByText(email)).toBeVisible();

  const link = await inMessage(page, email, /https?:\S+\/accept-invite#\S+/);

  const other = await (await browser.newContext()).newPage();
  await other.goto(link);
  await expect(other.getByText('Acme')).toBeVisible();
  await other.getByRole('link', { name: 'Create an account' }).click();
  await other.getByLabel('Name').fill('Guest');
  await other.getByLabel('E-mail').fill(email);
  await other.getByRole('textbox', { name: 'Password' }).fill(PASSWORD);
  await other.getByRole('button', { name: 'Create account' }).click();
  await other.getByLabel('Code from the mail').fill(await codeFor(page, email));
  await other.getByRole('button', { name: 'Go on' }).click();
  const phone = freshPhone();
  await other.getByLabel('Phone number').fill(phone);
  await other.getByRole('button', { name: 'Send the code' }).click();
  await other.getByLabel('Code from the text message').fill(await codeFor(page, phone));
  await other.getByRole('button', { name: 'Go on' }).click();
  await expect(other.getByRole('heading', { level: 1 })).toHaveText('Hello, Guest');

  await other.goto('/audit-log');
  await expect(other.getByText('You may not see this')).toBeVisible();
  await other.goto('/operator/organizations');
  await expect(other.getByRole('heading', { name: 'Organizations' })).toBeVisible();
  await expect(other.getByText('You may not see this')).toBeVisible();
  expected(/./);
});

test('a hard budget refuses the very next call', async ({ page, baseURL, expected }) => {
  expected(/chat\/completions$/);
  await signIn(page);
  const name = `Tight ${Date.now().toString(36)}`;
  await page.goto('/keys');
  await page.getByRole('button', { name: 'Create key' }).first().click();
  await page.getByLabel('Name').fill(name);
  await page.getByRole('dialog').getByRole('button', { name: 'Create key' }).click();
  const secret = await page.getByRole('group', { name: `key ${name}` }).innerText();
  await page.goto('/limits');
  await page.getByRole('button', { name: 'Make a budget' }).click();
  await page.getByRole('combobox', { name: 'On' }).click();
  await page.getByRole('option', { name: 'A key' }).click();
  await page.getByRole('combobox', { name: 'Project' }).click();
  await page.getByRole('option').first().click();
  await page.getByRole('combobox', { name: 'Key' }).click();
  await page.getByRole('option', { name: new RegExp(name) }).click();
  await page.getByLabel('Limit in USD').fill('0.0000001');
  await page.getByRole('dialog').getByRole('button', { name: 'Make' }).click();
  await expect(page.getByRole('dialog')).toHaveCount(0);
  const answer = await page.request.post(`${baseURL ?? ''}/v1/chat/completions`, {
    headers: { authorization: `Bearer ${secret.trim()}` },
    data: { model: 'hello-1', messages: [{ role: 'user', content: 'Hello' }] },
  });
  expect(answer.status()).toBe(429);
});

test('the operator suspends an organization and resumes it', async ({ page, browser }) => {
  await signIn(page);
  const email = freshEmail('suspended');
  const guest = await (await browser.newContext()).newPage();
  await guest.goto('/sign-up');
  await guest.getByLabel('E-mail').fill(email);
  await guest.getByRole('textbox', { name: 'Password' }).fill(PASSWORD);
  await guest.getByLabel('Organization').fill(email);
  await guest.getByRole('button', { name: 'Create account' }).click();
  await guest.getByLabel('Code from the mail').fill(await codeFor(page, email));
  await guest.getByRole('button', { name: 'Go on' }).click();
  const phone = freshPhone();
  await guest.getByLabel('Phone number').fill(phone);
  await guest.getByRole('button', { name: 'Send the code' }).click();
  await guest.getByLabel('Code from the text message').fill(await codeFor(page, phone));
  await guest.getByRole('button', { name: 'Go on' }).click();
  await expect(guest.getByRole('heading', { level: 1 })).toHaveText(/^Hello/);

  await page.goto('/operator/organizations');
  await page.getByLabel('Search').fill(email);
  await page.getByRole('link', { name: email }).click();
  await page.getByRole('button', { name: 'Suspend' }).click();
  await page.getByLabel('Why').fill('A test');
  await page.getByRole('dialog').getByRole('button', { name: 'Suspend' }).click();
  await expect(page.getByText('Suspended: A test')).toBeVisible();
  await guest.reload();
  await expect(guest.getByText(`${email} is suspended`)).toBeVisible();
  await page.getByRole('button', { name: 'Resume' }).click();
  await expect(page.getByRole('button', { name: 'Suspend' })).toBeVisible();
});
