import { test as base, expect, type Page } from '@playwright/test';

const isAlone = process.env.FAREBOX_BASE_URL === undefined;

/** For tests that say nothing without a server. */
export const NEEDS_SERVER = { isMissing: isAlone, why: 'these need a server' };

/** Plays the server's answer to both probes. */
export async function playProbes(page: Page, alive: number, ready: number) {
  await page.route('**/healthz', (route) => route.fulfill({ status: alive, body: '' }));
  await page.route('**/readyz', (route) => route.fulfill({ status: ready, body: '' }));
}

/** Answers that tests want, or that say no more than that nobody is signed in: browsers report them. */
const EXPECTED = /\/(healthz|readyz|api\/me)$/;

interface Fixtures {
  /** Says that requests to such paths may be refused. */
  expected: (path: RegExp) => void;
  /** Whether the screen is a phone's: the menu is behind a button. */
  isNarrow: boolean;
  /** Whether this browser shows a scheme and a width that no other does: light wide, and dark narrow. */
  isThorough: boolean;
}

/** A page whose every error and refused script or style fails the test. */
export const test = base.extend<Fixtures>({
  isNarrow: async ({ viewport }, use) => {
    await use((viewport?.width ?? 0) < 800);
  },
  isThorough: async ({ colorScheme, isNarrow }, use) => {
    await use((colorScheme === 'light') !== isNarrow);
  },
  // Playwright wants an object pattern, even of nothing.
  // eslint-disable-next-line no-empty-pattern
  expected: async ({}, use, { annotations }) => {
    await use((path) => annotations.push({ type: 'expected', description: path.source }));
  },
  page: async ({ page }, use, { annotations }) => {
    const complaints: { text: string; url: string }[] = [];
    page.on('pageerror', (error) => complaints.push({ text: error.message, url: '' }));
    page.on('console', (message) => {
      if (message.type() !== 'error') return;
      complaints.push({ text: message.text(), url: message.location().url });
    });
    if (isAlone) await playProbes(page, 200, 200);
    await use(page);
    const wanted = annotations.filter(({ type }) => type === 'expected');
    const isExpected = (url: string) =>
      EXPECTED.test(url) || wanted.some(({ description = '' }) => new RegExp(description).test(url));
    expect(complaints.filter(({ url }) => !isExpected(url))).toEqual([]);
  },
});

export { expect };
