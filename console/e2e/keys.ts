import type { APIResponse, Page } from '@playwright/test';

/** Makes a key on the page of keys; answers its secret. The dialog that shows it stays open. */
export async function createKey(page: Page, name: string): Promise<string> {
  await page.goto('/keys');
  await page.getByRole('button', { name: 'Create key' }).first().click();
  await page.getByLabel('Name').fill(name);
  await page.getByRole('dialog').getByRole('button', { name: 'Create key' }).click();
  return (await page.getByRole('group', { name: `key ${name}` }).innerText()).trim();
}

/** Calls the model as a program would. */
export function call(page: Page, secret: string): Promise<APIResponse> {
  return page.request.post('/v1/chat/completions', {
    headers: { authorization: `Bearer ${secret}` },
    data: { model: 'hello-1', messages: [{ role: 'user', content: 'Hello' }] },
  });
}
