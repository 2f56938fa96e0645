import type { Page } from '@playwright/test';
import { ask, first } from './api.ts';
import { call } from './keys.ts';
import { expect } from './page.ts';
import { fresh } from './people.ts';

const DELIVERY_URL = 'http://127.0.0.1:9/nobody-listens';

/** One thing of each kind to look at closely, made by the owner of Acme: ids by their names in views.ts. */
export async function makeThings(page: Page): Promise<Record<string, string>> {
  const name = fresh('Thing');
  const me = await ask<{ id: string; organizations: { id: string }[] }>(page, '/api/me');
  const project = await makeProject(page, name, me.id);
  const [requests, payment, webhook, batch, comparison] = await Promise.all([
    makeRequests(page, name, project),
    pay(page),
    makeWebhook(page, name),
    ask(page, '/api/operator/code_batches', {
      data: { note: name, amount_usd: '1.00', code_count: 2, max_uses: 1 },
    }),
    ask(page, '/api/operator/payments/reconciliations', { data: { days: 1 } }),
  ]);
  return {
    name,
    project,
    ...requests,
    payment,
    ...webhook,
    batch: batch.id,
    comparison: comparison.id,
    organization: me.organizations[0]?.id ?? '',
    alert: (await first(page, '/api/alerts?limit=50&order=desc', 'budget_threshold')).id,
  };
}

async function makeProject(page: Page, name: string, owner: string): Promise<string> {
  const { id } = await ask(page, '/v1/organization/projects', { data: { name } });
  const path = `/v1/organization/projects/${id}`;
  await ask(page, `${path}/users`, { data: { user_id: owner, role: 'owner' } });
  await ask(page, `${path}/service_accounts`, { data: { name } });
  return id;
}

/** A request that was answered and one that was refused, with a budget that the first one fills. */
async function makeRequests(page: Page, name: string, project: string) {
  const key = await ask<{ value: string }>(page, `/api/projects/${project}/keys`, {
    data: {
      name,
      budget: { limit_usd: '0.00001', window: 'month', force: 'soft', thresholds: [80, 100] },
      rate_limits: [{ requests_per_minute: 1 }],
    },
  });
  const answers = [await call(page, key.value), await call(page, key.value)];
  expect(answers.map((answer) => answer.status())).toEqual([200, 429]);
  const [served = '', refused = ''] = answers.map((answer) => answer.headers()['x-request-id']);
  for (const id of [served, refused]) {
    const look = async () => (await page.request.get(`/api/logs/${id}`)).status();
    await expect.poll(look, { message: `request ${id} in the log` }).toBe(200);
  }
  return { served, refused };
}

/** Credit for five dollars, paid on the test provider's page. */
async function pay(page: Page): Promise<string> {
  const { id, url } = await ask<{ id: string; url: string }>(page, '/api/billing/checkouts', {
    data: { amount_usd: '5.00', save_method: false },
    headers: { 'idempotency-key': fresh('attempt') },
  });
  const form = { number: '4242424242424242', expiry: '12/40', cvc: '123' };
  const answer = await page.request.post(url, { form, maxRedirects: 0 });
  expect(answer.status(), 'paid, and led back').toBe(303);
  return id;
}

async function makeWebhook(page: Page, name: string) {
  const { id } = await ask(page, '/api/webhook_endpoints', {
    data: { url: DELIVERY_URL, description: name },
  });
  await ask(page, `/api/webhook_endpoints/${id}/test`, { data: {} });
  const delivery = await first(page, `/api/webhook_endpoints/${id}/deliveries`);
  return { endpoint: id, delivery: delivery.id };
}
