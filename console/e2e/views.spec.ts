import { expect, NEEDS_SERVER, test } from './page.ts';
import { signIn } from './people.ts';
import { isSound } from './sound.ts';

test.skip(NEEDS_SERVER.isMissing, NEEDS_SERVER.why);

/** Every view of somebody who owns the organization and runs the installation. */
const VIEWS: [path: string, title: string | RegExp][] = [
  ['/', /^Hello, /],
  ['/playground', 'Playground'],
  ['/keys', 'API keys'],
  ['/usage', 'Usage'],
  ['/usage?measure=requests&by=user_id&range=7', 'Usage'],
  ['/logs', 'Logs'],
  ['/logs?outcome=refused&status=429&live=true', 'Logs'],
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
  ['/operator/revenue', 'Revenue'],
  ['/operator/revenue?tab=organizations', 'Revenue'],
  ['/operator/revenue?tab=bills', 'Revenue'],
  ['/operator/organizations', 'Organizations'],
  ['/operator/users', 'Users'],
  ['/operator/upstreams', 'Upstreams'],
  ['/operator/models', 'Models and prices'],
  ['/operator/model/hello-1', 'hello-1'],
  ['/operator/codes', 'Redeem codes'],
  ['/operator/payments', 'Payments'],
  ['/operator/payments?tab=unmatched', 'Payments'],
  ['/operator/payments?tab=comparisons', 'Payments'],
  ['/operator/jobs', 'Messages'],
  ['/operator/ledger', 'Ledger'],
  ['/operator/audit-log', 'Audit log'],
  ['/operator/settings', 'Installation'],
];

test('every view shows, fits, and has no accessibility fault that axe can find', async ({
  page,
  isThorough,
}) => {
  test.setTimeout(300_000);
  await signIn(page);
  for (const [path, title] of VIEWS) {
    await page.goto(path);
    await expect(page.getByRole('heading', { level: 1 })).toHaveText(title);
    await expect(page.getByRole('status', { name: 'Loading' })).toHaveCount(0);
    await isSound(page, path, isThorough);
  }
});

test('entry pages have no accessibility fault that axe can find', async ({ page, isThorough }) => {
  for (const path of ['/sign-in', '/sign-up', '/forgot-password', '/reset-password', '/nowhere-at-all']) {
    await page.goto(path);
    await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
    await isSound(page, path, isThorough);
  }
});
