import AxeBuilder from '@axe-core/playwright';
import { expect, playProbes, test } from './page.ts';

test('says what this is and that the server is ready', async ({ page }) => {
  await page.goto('/welcome');
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Your own AI API platform');
  await expect(page.getByRole('banner').getByRole('status')).toHaveText('Ready');
  const origin = new URL(page.url()).origin;
  await expect(page.getByRole('group', { name: 'base URL' })).toHaveText(`${origin}/v1`);
});

test('has no accessibility fault that axe can find', async ({ page }) => {
  await page.goto('/welcome');
  await expect(page.getByRole('banner').getByRole('status')).toHaveText('Ready');
  const results = await new AxeBuilder({ page }).analyze();
  expect(results.violations).toEqual([]);
  await playProbes(page, 200, 503);
  await page.reload();
  await expect(page.getByRole('banner').getByRole('status')).toHaveText('Not ready');
  const failing = await new AxeBuilder({ page }).analyze();
  expect(failing.violations).toEqual([]);
});

test('fits the screen', async ({ page }) => {
  await page.goto('/welcome');
  for (const name of ['Python', 'Node.js', 'curl']) {
    await page.getByRole('tab', { name }).click();
    const overflow = await page.evaluate(
      () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
    );
    expect(overflow, name).toBe(0);
  }
});

test('tells waiting, not ready and not reachable apart', async ({ page }) => {
  const badge = page.getByRole('banner').getByRole('status');
  const card = page.getByRole('region', { name: 'This server' });

  let release: (() => void) | undefined;
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  await page.route('**/readyz', async (route) => {
    await held;
    await route.fulfill({ status: 503, body: '' });
  });
  await page.goto('/welcome');
  await expect(badge).toHaveText('Checking…');
  release?.();
  await expect(badge).toHaveText('Not ready');
  await expect(card).toContainText('cannot commit to its ledger');

  await page.route('**/healthz', (route) => route.abort());
  await page.route('**/readyz', (route) => route.abort());
  await page.reload();
  await expect(badge).toHaveText('Not reachable');
  await expect(card).toContainText('farebox serve');
});

test('is usable by keyboard', async ({ page }) => {
  await page.goto('/welcome');
  // A key pressed before the page is drawn goes nowhere.
  await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
  await page.keyboard.press('Tab');
  await expect(page.getByRole('link', { name: 'Skip to content' })).toBeFocused();

  await page.getByRole('tab', { name: 'Python' }).focus();
  await page.keyboard.press('ArrowRight');
  await expect(page.getByRole('tab', { name: 'Node.js' })).toBeFocused();
  await expect(page.getByRole('group', { name: 'Node.js program' })).toContainText('baseURL');
  await page.keyboard.press('ArrowRight');
  await expect(page.getByRole('group', { name: 'curl program' })).toContainText('/v1/models');
});

test('copies what it shows', async ({ page, context }) => {
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  await page.goto('/welcome');
  const button = page.getByRole('button', { name: 'Copy the Python program' });
  await button.click();
  await expect(page.getByRole('status').filter({ hasText: 'Copied the Python program' })).toBeAttached();
  const copied = await page.evaluate(() => navigator.clipboard.readText());
  expect(copied).toContain(`base_url="${new URL(page.url()).origin}/v1"`);
  await expect(button).toBeVisible();
});

test('copies over plain http too, where there is no clipboard API', async ({ page }) => {
  await page.addInitScript(() => {
    Object.defineProperty(Navigator.prototype, 'clipboard', { value: undefined });
  });
  await page.goto('/welcome');
  await page.getByRole('button', { name: 'Copy the base URL' }).click();
  await expect(page.getByRole('status').filter({ hasText: 'Copied the base URL' })).toBeAttached();
});

test('links to the API document', async ({ page }) => {
  await page.goto('/welcome');
  const link = page.getByRole('link', { name: 'OpenAPI document' });
  await expect(link).toHaveAttribute('href', '/openapi.json');
});
