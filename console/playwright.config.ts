import { existsSync } from 'node:fs';
import { defineConfig } from '@playwright/test';

/** A running Farebox. Without one, the built console is served alone and its probes are played. */
const baseURL = process.env.FAREBOX_BASE_URL;
const previewURL = 'http://127.0.0.1:4173';

const chromium =
  process.env.CHROMIUM_PATH ??
  ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync);

/** What people see, and how they come in: in each scheme at each width. Whatever they do then is the
 * same in all of them, and done in two that share neither. */
const SEEN = /(views|welcome|account)\.spec\.ts/;

const desktop = { width: 1280, height: 900 };
const phone = { width: 360, height: 740 };

export default defineConfig({
  testDir: 'e2e',
  outputDir: 'test-results',
  // Two browsers at a time, as the machine has two cores; tests share a server and nothing else.
  workers: 2,
  timeout: 90_000,
  expect: { timeout: 20_000 },
  forbidOnly: Boolean(process.env.CI),
  reporter: 'list',
  use: {
    baseURL: baseURL ?? previewURL,
    screenshot: 'only-on-failure',
    launchOptions: {
      ...(chromium ? { executablePath: chromium } : {}),
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
      ],
    },
  },
  projects: [
    { name: 'light desktop', use: { colorScheme: 'light', viewport: desktop } },
    { name: 'dark desktop', testMatch: SEEN, use: { colorScheme: 'dark', viewport: desktop } },
    { name: 'light phone', testMatch: SEEN, use: { colorScheme: 'light', viewport: phone } },
    { name: 'dark phone', use: { colorScheme: 'dark', viewport: phone } },
  ],
  ...(baseURL
    ? {}
    : {
        webServer: {
          command: 'npm run --silent preview -- --host 127.0.0.1 --port 4173 --strictPort',
          url: previewURL,
        },
      }),
});
