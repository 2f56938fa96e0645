import { expect, type Page } from '@playwright/test';

/** Who scripts/e2e.sh set the installation up with: operator, and owner of Acme. */
export const OWNER = 'owner@example.com';
export const PASSWORD = 'correct horse battery staple';

/** Signs in through the API, as the cookie is what counts. */
export async function signIn(page: Page, email = OWNER): Promise<void> {
  const answer = await page.request.post('/api/sessions', { data: { email, password: PASSWORD } });
  expect(answer.ok(), await answer.text()).toBe(true);
}

/** What the latest message to somebody holds of this form; it may be under way. */
export async function inMessage(page: Page, to: string, form: RegExp): Promise<string> {
  let found: string | undefined;
  const look = async () => {
    const { data } = (await (await page.request.get('/api/outbox?limit=50')).json()) as {
      data: { to: string; text: string }[];
    };
    found = form.exec(data.find((one) => one.to === to)?.text ?? '')?.[0];
    return found;
  };
  await expect.poll(look, { message: `a message to ${to}` }).toBeDefined();
  return found ?? '';
}

/** The six digits of the latest message to somebody. */
export function codeFor(page: Page, to: string): Promise<string> {
  return inMessage(page, to, /\b\d{6}\b/);
}

let count = 0;

/** An address that nobody has yet, in any of the browsers that the tests run in. */
export function freshEmail(name: string): string {
  count += 1;
  return `${name}-${Date.now().toString(36)}-${count}@example.com`;
}

/** A number that nobody has yet. */
export function freshPhone(): string {
  return `+4915112${String(Date.now() % 1_000_000).padStart(6, '0')}`;
}
