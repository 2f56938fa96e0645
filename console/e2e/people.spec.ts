import { expect, NEEDS_SERVER, test } from './page.ts';
import { anotherPage, becomeGuest, becomeOwner, signIn } from './people.ts';

test.skip(NEEDS_SERVER.isMissing, NEEDS_SERVER.why);

test('somebody who was invited sees less, and is led nowhere that is closed', async ({
  page,
  browser,
  isNarrow,
}) => {
  await signIn(page);
  const guest = await anotherPage(browser);
  await becomeGuest(page, guest);

  if (isNarrow) await guest.getByRole('button', { name: 'Open the menu' }).click();
  const links = guest.getByRole('navigation').filter({ visible: true }).getByRole('link');
  await expect(links).toHaveText(['Start', 'Playground', 'API keys', 'Logs', 'Projects']);

  await guest.goto('/projects');
  await expect(guest.getByRole('heading', { level: 1 })).toHaveText('Projects');
  await expect(guest.getByRole('button', { name: 'Make a project' })).toHaveCount(0);
  for (const closed of ['/billing', '/usage', '/limits', '/audit-log', '/operator/organizations']) {
    await guest.goto(closed);
    await expect(guest.getByText('You may not see this').first()).toBeVisible();
    await expect(guest.getByRole('button', { name: /payment|Make|Redeem|Add/ })).toHaveCount(0);
  }
});

test('the operator suspends an organization and resumes it', async ({ page, browser }) => {
  await signIn(page);
  const guest = await anotherPage(browser);
  const name = await becomeOwner(guest);

  await page.goto('/operator/organizations');
  await page.getByLabel('Search').fill(name);
  await page.getByRole('link', { name }).click();
  await page.getByRole('button', { name: 'Suspend' }).click();
  await page.getByLabel('Why').fill('A test');
  await page.getByRole('dialog').getByRole('button', { name: 'Suspend' }).click();
  await expect(page.getByText('Suspended: A test')).toBeVisible();
  await guest.goto('/');
  await expect(guest.getByText(`${name} is suspended`)).toBeVisible();
  await page.getByRole('button', { name: 'Resume' }).click();
  await expect(page.getByRole('button', { name: 'Suspend' })).toBeVisible();
});
