import type { Page } from '@playwright/test';
import { ask } from './api.ts';
import { expect, NEEDS_SERVER, test } from './page.ts';
import {
  anotherPage,
  becomeGuest,
  becomeOwner,
  becomeReader,
  fresh,
  OWNER,
  signIn,
} from './people.ts';
import { isSound } from './sound.ts';

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

const TABS = ['people', 'service-accounts', 'models', 'rates', 'settings'];

/** Shows a page to the end, and counts what in it could be pressed or typed into. */
async function controlsOf(page: Page, path: string) {
  await page.goto(path);
  await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
  await expect(page.getByRole('status', { name: 'Loading' })).toHaveCount(0);
  return page.locator('main :is(button, input, textarea, select):enabled:not([role=tab])');
}

test('who looks at a project finds nothing to change there, and its owner does', async ({
  page,
  browser,
}) => {
  await signIn(page);
  const guest = await anotherPage(browser);
  const email = await becomeReader(page, guest);
  const name = fresh('Shared');
  const { id } = await ask(page, '/v1/organization/projects', { data: { name } });
  const path = `/v1/organization/projects/${id}`;
  await ask(page, `${path}/service_accounts`, { data: { name: 'Robot' } });
  const user = await ask(page, `${path}/users`, { data: { email, role: 'viewer' } });

  for (const tab of TABS) {
    const controls = await controlsOf(guest, `/projects/${id}?tab=${tab}`);
    await expect(guest.getByRole('heading', { level: 1 })).toHaveText(name);
    await expect(controls, tab).toHaveCount(0);
  }
  await guest.goto(`/playground?project=${id}`);
  await expect(guest.getByText('Your role in this project calls no models.')).toBeVisible();
  await expect(guest.getByRole('button', { name: 'Send' })).toBeDisabled();

  await ask(page, `${path}/users/${user.id}`, { data: { role: 'owner' } });
  await guest.goto(`/projects/${id}?tab=rates`);
  await expect(guest.getByRole('table', { name: 'Rate limits' })).toBeVisible();
  await expect(guest.getByRole('button', { name: /^Change/ })).toHaveCount(0);
  await guest.getByRole('tab', { name: 'Service accounts' }).click();
  await expect(guest.getByRole('button', { name: 'New key for Robot' })).toBeVisible();
  await guest.getByRole('tab', { name: 'Models' }).click();
  await guest.getByRole('radio', { name: 'Only these' }).check();
  await guest.getByRole('combobox', { name: 'Models' }).fill('hello-1');
  await guest.keyboard.press('Enter');
  await guest.getByRole('button', { name: 'Save' }).click();
  await expect(guest.getByText('Saved.')).toBeVisible();
  await guest.getByRole('tab', { name: 'Settings' }).click();
  await expect(guest.getByRole('button', { name: 'Archive the project' })).toBeVisible();
  await guest.getByRole('tab', { name: 'People' }).click();
  await guest.getByRole('button', { name: 'Add somebody' }).click();
  await guest.getByLabel('E-mail').fill(OWNER);
  await guest.getByRole('dialog').getByRole('button', { name: 'Add' }).click();
  await expect(guest.getByRole('row', { name: OWNER })).toBeVisible();

  await ask(page, `${path}/archive`, { data: {} });
  await expect(await controlsOf(guest, `/projects/${id}?tab=people`)).toHaveCount(0);
  await expect(guest.getByText(/^It is archived/)).toBeVisible();
});

test('who may see settings and not change them finds no button there', async ({
  page,
  browser,
}) => {
  await becomeOwner(page);
  const guest = await anotherPage(browser);
  await becomeReader(page, guest);
  const organization = '/v1/organization';
  const role = await ask(page, `${organization}/roles`, {
    data: {
      role_name: 'Auditor',
      permissions: ['api.management.read', 'api.groups.read', 'api.billing.read'],
    },
  });
  const { id } = await ask(guest, '/api/me');
  await ask(page, `${organization}/users/${id}/roles`, { data: { role_id: role.id } });
  await ask(page, `${organization}/admin_api_keys`, { data: { name: 'Robot' } });
  await ask(page, `${organization}/groups`, { data: { name: 'Night shift' } });

  const places = ['/members', '/members?tab=invites', '/members?tab=groups', '/members?tab=roles'];
  for (const place of [...places, '/alerts?tab=mails', '/alerts?tab=webhooks', '/billing']) {
    await expect(await controlsOf(guest, place), place).toHaveCount(0);
  }
  const controls = await controlsOf(guest, '/settings');
  await expect(guest.getByRole('row', { name: 'Robot' })).toBeVisible();
  await expect(guest.getByRole('switch', { name: 'Keep prompts and answers' })).toBeDisabled();
  await expect(controls).toHaveCount(1);
  await expect(controls).toHaveAccessibleName('Copy the organization id');

  // Nobody gives what they do not have.
  const more = ['api.management.read', 'api.management.write'];
  await ask(page, `${organization}/roles/${role.id}`, { data: { permissions: more } });
  await guest.goto('/members?tab=invites');
  await guest.getByRole('button', { name: 'Invite somebody' }).click();
  await guest.getByRole('combobox', { name: 'Role' }).click();
  await expect(guest.getByRole('option')).toHaveText(['Reader']);
  await guest.goto('/members?tab=roles');
  await guest.getByRole('button', { name: 'Make a role' }).click();
  await guest.getByRole('combobox', { name: 'Permissions' }).click();
  const allowed = [/^See members/, /^Change members/, 'List models'];
  await expect(guest.getByRole('option')).toHaveText(allowed);
});

test('a group gives somebody its role, and takes it away', async ({ page, browser, isThorough }) => {
  await becomeOwner(page);
  const member = await anotherPage(browser);
  const email = await becomeReader(page, member);
  await page.goto('/members?tab=groups');
  await page.getByRole('button', { name: 'Make a group' }).click();
  await page.getByLabel('Name').fill('Accounting');
  await page.getByRole('dialog').getByRole('button', { name: 'Make' }).click();
  await page.getByRole('button', { name: 'People and roles of Accounting' }).click();
  const group = page.getByRole('dialog', { name: 'Accounting' });
  await group.getByRole('combobox', { name: 'People' }).click();
  await page.getByRole('option', { name: email }).click();
  await expect(group.getByText(email)).toBeVisible();
  await group.getByText('Roles', { exact: true }).click();
  await group.getByRole('combobox', { name: 'Give a role' }).click();
  await page.getByRole('option', { name: 'owner' }).click();
  await group.getByRole('button', { name: 'Give', exact: true }).click();
  const takeAway = group.getByRole('button', { name: 'Take away' });
  await expect(takeAway).toBeVisible();
  await isSound(page, 'a group', isThorough);
  await member.goto('/members');
  await expect(member.getByRole('row', { name: email })).toBeVisible();

  await takeAway.click();
  await expect(group.getByText('None yet.')).toBeVisible();
  await member.reload();
  await expect(member.getByText('You may not see this').first()).toBeVisible();
});
