import { randomInt, randomUUID } from 'node:crypto';
import { expect, type Browser, type Page } from '@playwright/test';
import { ask } from './api.ts';

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
function codeFor(page: Page, to: string): Promise<string> {
  return inMessage(page, to, /\b\d{6}\b/);
}

/** A word that stands for nothing else, in any of the browsers that the tests run in. */
export function fresh(name: string): string {
  return `${name}-${randomUUID().slice(0, 8)}`;
}

/** An address that nobody has yet. */
export function freshEmail(name: string): string {
  return `${fresh(name)}@example.com`;
}

/** A number that nobody has yet. */
function freshPhone(): string {
  return `+49151${String(randomInt(10_000_000, 99_999_999))}`;
}

interface Newcomer {
  name: string;
  email: string;
  /** What their organization is called; those who were invited found none. */
  organization?: string;
}

/** Fills in the form of a new account, and types the codes from both messages. */
export async function signUp(page: Page, { name, email, organization }: Newcomer): Promise<void> {
  await page.getByLabel('Name').fill(name);
  await page.getByLabel('E-mail').fill(email);
  await page.getByRole('textbox', { name: 'Password' }).fill(PASSWORD);
  if (organization !== undefined) await page.getByLabel('Organization').fill(organization);
  await page.getByRole('button', { name: 'Create account' }).click();
  await page.getByLabel('Code from the mail').fill(await codeFor(page, email));
  await page.getByRole('button', { name: 'Go on' }).click();
  const phone = freshPhone();
  await page.getByLabel('Phone number').fill(phone);
  await page.getByRole('button', { name: 'Send the code' }).click();
  await page.getByLabel('Code from the text message').fill(await codeFor(page, phone));
  await page.getByRole('button', { name: 'Go on' }).click();
  await expect(page.getByRole('heading', { level: 1 })).toHaveText(`Hello, ${name}`);
}

/** The browser of somebody else. */
export async function anotherPage(browser: Browser): Promise<Page> {
  return (await browser.newContext()).newPage();
}

/** A newcomer with an organization of their own, in this browser; answers what it is called. */
export async function becomeOwner(page: Page): Promise<string> {
  const email = freshEmail('owner');
  await haveAccount(page, { name: 'Ada Lovelace', email, organization: email });
  return email;
}

/** Somebody new in the organization of an owner, in this browser: a reader. Answers their address. */
export async function becomeReader(owner: Page, page: Page): Promise<string> {
  const email = freshEmail('reader');
  await ask(owner, '/v1/organization/invites', { data: { email, role: 'reader' } });
  const invite = await inMessage(owner, email, /(?<=\/accept-invite#)\S+/);
  await haveAccount(page, { name: 'Reader', email, invite });
  return email;
}

interface Account {
  name: string;
  email: string;
  organization?: string;
  /** The secret of an invite. */
  invite?: string;
}

/** Signs somebody up through the API, with the codes from both messages. */
async function haveAccount(page: Page, account: Account): Promise<void> {
  const phone = freshPhone();
  // One network may not found many organizations: each comes from another one.
  const headers = { 'x-forwarded-for': `2001:db8:${randomInt(0xffff).toString(16)}::1` };
  const post = (path: string, data: object) => ask(page, path, { data, headers });
  const { id } = await post('/api/signup', { ...account, password: PASSWORD });
  await post('/api/signup/email_code', { id, code: await codeFor(page, account.email) });
  await post('/api/signup/phone', { id, phone });
  await post('/api/signup/phone_code', { id, code: await codeFor(page, phone) });
}

/** Somebody who was invited to Acme and accepted: who may read, and not change. */
export async function becomeGuest(owner: Page, page: Page): Promise<void> {
  const email = freshEmail('guest');
  await owner.goto('/members?tab=invites');
  await owner.getByRole('button', { name: 'Invite somebody' }).click();
  await owner.getByLabel('E-mail').fill(email);
  await owner.getByRole('button', { name: 'Send the invite' }).click();
  await expect(owner.getByText(email)).toBeVisible();
  await page.goto(await inMessage(owner, email, /https?:\S+\/accept-invite#\S+/));
  await expect(page.getByText('Acme')).toBeVisible();
  await page.getByRole('link', { name: 'Create an account' }).click();
  await signUp(page, { name: 'Guest', email });
}
