import { test as base, expect, type Page } from '@playwright/test';

const isAlone = process.env.FAREBOX_BASE_URL === undefined;

/** Plays the server's answer to both probes. */
export async function playProbes(page: Page, alive: number, ready: number) {
  await page.route('**/healthz', (route) => route.fulfill({ status: alive, body: '' }));
  await page.route('**/readyz', (route) => route.fulfill({ status: ready, body: '' }));
}

/** A page whose every error and refused script or style fails the test. */
export const test = base.extend({
  page: async ({ page }, use) => {
    const complaints: string[] = [];
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('console', (message) => {
      // A failing probe is reported by the browser too, and some tests want one.
      const isProbe = /\/(healthz|readyz)$/.test(message.location().url);
      if (message.type() === 'error' && !isProbe) complaints.push(message.text());
    });
    if (isAlone) await playProbes(page, 200, 200);
    await use(page);
    expect(complaints).toEqual([]);
  },
});

export { expect };
