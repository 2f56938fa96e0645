// People, keys, invites, settings and the audit log of an organization, through the official SDK for Node.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import OpenAI from 'openai';
import { install } from './installation.js';

const model = 'gpt-4o-mini';
const messages = [{ role: 'user', content: 'Hello World' }];
const email = 'ada@example.com';

let made;
let installation;
let organization;
let project;

before(async () => {
  installation = await install('5');
  ({ made } = installation);
  organization = administer(made.admin_key);
  project = (await organization.projects.create({ name: 'Organization' })).id;
});

after(() => installation?.end());

function administer(adminAPIKey) {
  const options = { apiKey: 'unused', adminAPIKey, baseURL: made.base_url, maxRetries: 0 };
  return new OpenAI(options).admin.organization;
}

async function all(list) {
  const rows = [];
  for await (const row of list) rows.push(row);
  return rows;
}

/** What was done to a resource, oldest first; two entries at a time. */
async function kinds(resource, filters = {}) {
  const list = organization.auditLogs.list({ resource_ids: [resource], limit: 2, ...filters });
  return (await all(list)).map((entry) => entry.type).reverse();
}

test('admin keys', async () => {
  const key = await organization.adminAPIKeys.create({ name: 'Terraform' });
  const mine = administer(key.value);
  const ids = (await all(mine.adminAPIKeys.list({ limit: 1 }))).map((it) => it.id);
  assert.ok(ids.includes(key.id));
  await mine.adminAPIKeys.delete(key.id);
  await assert.rejects(mine.adminAPIKeys.list(), OpenAI.AuthenticationError);
  assert.deepEqual(await kinds(key.id), ['api_key.created', 'api_key.deleted']);
});

test('users of the organization and of a project', async () => {
  const [ada] = await all(organization.users.list({ emails: [email] }));
  assert.equal(ada.id, made.user_id);
  await assert.rejects(organization.users.delete(ada.id), OpenAI.BadRequestError);
  const { users } = organization.projects;
  await users.create(project, { user_id: ada.id, role: 'member' });
  assert.deepEqual((await all(users.list(project))).map((it) => it.role), ['member']);
  await users.update(ada.id, { project_id: project, role: 'owner' });
  await users.delete(ada.id, { project_id: project });
  const done = ['user.added', 'user.updated', 'user.deleted'];
  assert.deepEqual(await kinds(ada.id, { project_ids: [project] }), done);
});

test('invites', async () => {
  const projects = [{ id: project, role: 'member' }];
  const invite = await organization.invites.create({ email: 'g@example.com', role: 'reader', projects });
  assert.equal(invite.status, 'pending');
  assert.equal((await organization.invites.retrieve(invite.id)).email, 'g@example.com');
  await organization.invites.delete(invite.id);
  assert.deepEqual(await all(organization.invites.list()), []);
});

test('model permissions are met by traffic', async () => {
  const account = await organization.projects.serviceAccounts.create(project, { name: 'bot' });
  const client = new OpenAI({ apiKey: account.api_key.value, baseURL: made.base_url, maxRetries: 0 });
  const ask = () => client.chat.completions.create({ model, messages });
  const { modelPermissions } = organization.projects;
  await modelPermissions.update(project, { mode: 'deny_list', model_ids: [model] });
  await assert.rejects(ask(), OpenAI.PermissionDeniedError);
  await modelPermissions.delete(project);
  assert.ok((await ask()).id);
});

test('spend alerts and settings', async () => {
  const alert = await organization.spendAlerts.create({
    threshold_amount: 100,
    currency: 'USD',
    interval: 'month',
    notification_channel: { type: 'email', recipients: [email] },
  });
  assert.deepEqual((await all(organization.spendAlerts.list())).map((it) => it.id), [alert.id]);
  await organization.spendAlerts.delete(alert.id);
  assert.equal((await organization.dataRetention.retrieve()).type, 'zero_data_retention');
  await assert.rejects(organization.certificates.list(), OpenAI.BadRequestError);
});
