import { expect, NEEDS_SERVER, test } from './page.ts';
import { signIn } from './people.ts';
import { isSound } from './sound.ts';
import { makeThings } from './things.ts';
import { DETAILS, ENTRY, VIEWS } from './views.ts';

test.skip(NEEDS_SERVER.isMissing, NEEDS_SERVER.why);

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

test('and so does every view of one thing', async ({ page, isThorough, expected }) => {
  test.skip(!isThorough, 'two of the browsers show both schemes and both widths');
  test.setTimeout(300_000);
  // A project without rules on models has none to show.
  expected(/\/model_permissions$/);
  await signIn(page);
  const things = await makeThings(page);
  const filled = (text: string) => text.replace(/\$(\w+)/g, (_, name: string) => things[name] ?? '');
  for (const [path, title, dialog] of DETAILS) {
    await page.goto(filled(path));
    const heading = page.locator('h1');
    await expect(heading).toHaveText(typeof title === 'string' ? filled(title) : title);
    if (dialog !== undefined) await expect(page.getByRole('dialog', { name: dialog })).toBeVisible();
    await expect(page.getByRole('status', { name: 'Loading', includeHidden: true })).toHaveCount(0);
    await expect(page.getByText('This could not be read')).toHaveCount(0);
    await isSound(page, path, isThorough);
  }
});

test('entry pages have no accessibility fault that axe can find', async ({
  page,
  isThorough,
  expected,
}) => {
  // Without a secret there is no invite.
  expected(/\/api\/invites\/lookup$/);
  for (const [path, title] of ENTRY) {
    await page.goto(path);
    await expect(page.getByRole('heading', { level: 1 })).toHaveText(title);
    await isSound(page, path, isThorough);
  }
});
