import { expect, type Page } from '@playwright/test';

interface Ask {
  /** Sent with POST; left out: it is a GET. */
  data?: object;
  headers?: Record<string, string>;
}

/** What the API answers whoever is signed in in this browser. A refusal fails the test. */
export async function ask<T = { id: string }>(
  page: Page,
  path: string,
  { data, headers = {} }: Ask = {},
): Promise<T> {
  const answer = data
    ? await page.request.post(path, { data, headers })
    : await page.request.get(path, { headers });
  expect(answer.ok(), `${path}: ${await answer.text()}`).toBe(true);
  return (await answer.json()) as T;
}

interface Row {
  id: string;
  kind?: string;
}

/** The first of a list of the API, or the first of a kind, once there is one. */
export async function first(page: Page, path: string, kind?: string): Promise<Row> {
  let found: Row | undefined;
  const look = async () => {
    const { data } = await ask<{ data: Row[] }>(page, path);
    found = data.find((row) => kind === undefined || row.kind === kind);
    return found;
  };
  await expect.poll(look, { message: `something in ${path}` }).toBeDefined();
  return found ?? { id: '' };
}
