// Every method of the SDK's `admin` resources: each does what it is for, or is refused by name.
//
// Most resources live the same life, so their tests are a table: three are made, listed page by
// page, one is looked at and changed, all are deleted, and the audit log tells it. What the SDK
// calls is noted; the last test compares that with what the SDK has, so a method that a later
// version adds is missed here until it is tried.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import OpenAI from 'openai';
import { install, join } from './installation.js';

const model = 'gpt-4o-mini';
const messages = [{ role: 'user', content: 'Hello World' }];
const text = 'Hello from the upstream.';
const monthly = { currency: 'USD', interval: 'month' };
const channel = { type: 'email', recipients: ['ada@example.com'], subject_prefix: 'Money' };
const alert = { threshold_amount: 100, notification_channel: channel, ...monthly };

// What Farebox does not do, and says so: the reason is in crates/control/src/fallback.rs.
const refused = [
  'certificates',
  'projects.certificates',
  'externalKeys',
  'externalStorage',
  'workloadIdentityProviders',
  'workloadIdentityProviders.federationRules',
];

const answered = new Set();
let installation;
let organization;
let world;

/** Every method below a resource, as the way to it. */
function* methods(resource, way = []) {
  for (const [name, member] of Object.entries(resource))
    if (!name.startsWith('_') && member && typeof member === 'object')
      yield* methods(member, [...way, name]);
  for (const name of Object.getOwnPropertyNames(Object.getPrototypeOf(resource)))
    if (name !== 'constructor') yield [...way, name].join('.');
}

/** Stands before a resource, and notes which of its methods were called. */
function noting(resource, way = []) {
  return new Proxy(resource, {
    get(target, name) {
      const member = target[name];
      if (typeof member === 'function')
        return (...given) => {
          answered.add([...way, name].join('.'));
          return member.apply(target, given);
        };
      const isResource = member && typeof member === 'object' && !String(name).startsWith('_');
      return isResource ? noting(member, [...way, name]) : member;
    },
  });
}

function named(resource, way) {
  return way.split('.').reduce((found, part) => found[part], resource);
}

function client(apiKey, adminAPIKey = 'unused') {
  const baseURL = installation.made.base_url;
  return new OpenAI({ apiKey, adminAPIKey, baseURL, maxRetries: 0 });
}

async function all(list) {
  const rows = [];
  for await (const row of list) rows.push(row);
  return rows;
}

async function ask(caller) {
  const answer = await caller.chat.completions.create({ model, messages });
  return answer.choices[0].message.content;
}

/** A client with the key of a new service account. */
async function caller(project = world.project) {
  const { serviceAccounts } = organization.projects;
  return client((await serviceAccounts.create(project, { name: 'caller' })).api_key.value);
}

/** What the audit log tells, newest first; fifty entries at a time. */
function entries(filters = {}) {
  return all(organization.auditLogs.list({ limit: 50, ...filters }));
}

before(async () => {
  installation = await install('5');
  const { admin_key, base_url } = installation.made;
  organization = noting(client('unused', admin_key).admin.organization);
  const { projects } = organization;
  const project = (await projects.create({ name: 'Every method' })).id;
  const other = (await projects.create({ name: 'Other' })).id;
  world = { project, other, people: [], groups: [], roles: [], projectRoles: [] };
  for (const number of [0, 1, 2]) {
    const person = await join(organization, base_url, `every-${number}@example.com`);
    await projects.users.create(project, { user_id: person, role: 'member' });
    const name = `Every ${number}`;
    world.people.push(person);
    world.groups.push((await organization.groups.create({ name })).id);
    const reads = { role_name: name, permissions: ['api.usage.read'] };
    world.roles.push((await organization.roles.create(reads)).id);
    const calls = { role_name: name, permissions: ['api.model.request'] };
    world.projectRoles.push((await projects.roles.create(project, calls)).id);
  }
});

after(() => installation?.end());

const told = (what, made = 'created', ended = 'deleted') => ({
  made: `${what}.${made}`,
  changed: `${what}.updated`,
  ended: `${what}.${ended}`,
});
const assigned = told('role.assignment');
const ofRole = (it) => it.role?.id ?? it.id;

// Of each resource: what the n-th is made of, what the audit log tells, where it is (the nearest
// last), what is changed, and what its id is.
const lives = {
  adminAPIKeys: { of: (n) => ({ name: `Key ${n}` }), told: told('api_key') },
  invites: {
    of: (n) => ({ email: `life-${n}@example.com`, role: 'reader' }),
    told: told('invite', 'sent'),
  },
  roles: {
    of: (n) => ({ role_name: `Life ${n}`, permissions: ['api.usage.read'] }),
    told: told('role'),
    changes: { description: 'Reads usage' },
  },
  groups: {
    of: (n) => ({ name: `Life ${n}` }),
    told: told('group'),
    changes: { name: 'Renamed' },
  },
  'groups.users': {
    of: (n) => ({ user_id: world.people[n] }),
    told: told('group.member', 'added', 'removed'),
    where: () => ({ group_id: world.groups[0] }),
    id: (it) => it.user_id ?? it.id,
  },
  'groups.roles': {
    of: (n) => ({ role_id: world.roles[n] }),
    told: assigned,
    where: () => ({ group_id: world.groups[0] }),
    id: ofRole,
  },
  'users.roles': {
    of: (n) => ({ role_id: world.roles[n] }),
    told: assigned,
    where: () => ({ user_id: world.people[0] }),
    id: ofRole,
  },
  spendAlerts: {
    of: () => alert,
    told: told('farebox.spend_alert'),
    changes: { ...alert, threshold_amount: 5 },
  },
  projects: {
    of: (n) => ({ name: `Life ${n}` }),
    told: told('project', 'created', 'archived'),
    changes: { name: 'Renamed' },
    ends: 'archive',
  },
  'projects.serviceAccounts': {
    of: (n) => ({ name: `Life ${n}` }),
    told: told('service_account'),
    where: () => ({ project_id: world.project }),
    changes: { name: 'Renamed' },
  },
  'projects.users': {
    of: (n) => ({ user_id: world.people[n], role: 'member' }),
    told: told('user', 'added'),
    where: () => ({ project_id: world.other }),
    changes: { role: 'owner' },
  },
  'projects.users.roles': {
    of: (n) => ({ role_id: world.projectRoles[n] }),
    told: assigned,
    where: () => ({ project_id: world.project, user_id: world.people[1] }),
    id: ofRole,
  },
  'projects.groups': {
    of: (n) => ({ group_id: world.groups[n], role: world.projectRoles[0] }),
    told: assigned,
    where: () => ({ project_id: world.project }),
    id: (it) => it.group_id,
  },
  'projects.groups.roles': {
    of: (n) => ({ role_id: world.projectRoles[n] }),
    told: assigned,
    where: () => ({ project_id: world.project, group_id: world.groups[1] }),
    id: ofRole,
  },
  'projects.roles': {
    of: (n) => ({ role_name: `Life ${n}`, permissions: ['api.model.request'] }),
    told: told('role'),
    where: () => ({ project_id: world.project }),
    changes: { description: 'Calls models' },
  },
  'projects.spendAlerts': {
    of: () => alert,
    told: told('farebox.spend_alert'),
    where: () => ({ project_id: world.project }),
    changes: { ...alert, threshold_amount: 5 },
  },
};

/** The nearest thing that a resource is in, as an argument, and the others. */
function split(where) {
  const names = Object.keys(where);
  if (names.length === 0) return [[], {}];
  const { [names.at(-1)]: nearest, ...others } = where;
  return [[nearest], others];
}

/** What names a thing: its own id as an argument, and where it is, if it is anywhere. */
function of(id, where, changes = {}) {
  const members = { ...where, ...changes };
  return Object.keys(members).length === 0 ? [id] : [id, members];
}

for (const [way, life] of Object.entries(lives)) {
  test(`a life of ${way}`, async () => {
    const { id = (it) => it.id, changes, ends = 'delete' } = life;
    const resource = named(organization, way);
    const where = life.where?.() ?? {};
    const [nearest, others] = split(where);
    const [last] = await entries();

    const ids = [];
    for (const n of [0, 1, 2])
      ids.push(id(await resource.create(...nearest, { ...others, ...life.of(n) })));
    let pages = 0;
    const listed = [];
    const list = await resource.list(...nearest, { ...others, limit: 2 });
    for await (const page of list.iterPages()) {
      pages += 1;
      listed.push(...page.getPaginatedItems().map(id));
    }
    assert.ok(pages > 1, 'three do not fit on a page of two');
    assert.equal(new Set(listed).size, listed.length);
    assert.ok(ids.every((each) => listed.includes(each)));
    if (changes) await resource.update(...of(ids[0], where, changes));
    const shown = await resource.retrieve(...of(ids[0], where));
    assert.equal(id(shown), ids[0]);
    for (const [name, value] of Object.entries(changes ?? {}))
      assert.deepEqual(shown[name], value);
    for (const each of ids) {
      const ended = await resource[ends](...of(each, where));
      assert.ok(ended.deleted || ended.status === 'archived');
    }
    if (ends === 'delete')
      await assert.rejects(resource.retrieve(...of(ids[0], where)), OpenAI.NotFoundError);

    const log = await entries();
    const fresh = log.slice(0, log.findIndex((entry) => entry.id === last.id));
    const count = (kind) => fresh.filter((entry) => entry.type === kind).length;
    const { made, changed, ended } = life.told;
    assert.deepEqual([made, changed, ended].map(count), [3, changes ? 1 : 0, 3]);
  });
}

test('users of the organization', async () => {
  const { users } = organization;
  const listed = (await all(users.list({ limit: 2 }))).map((user) => user.id);
  assert.ok(world.people.every((person) => listed.includes(person)));
  const person = await join(organization, installation.made.base_url, 'leaves@example.com');
  assert.equal((await users.update(person, { role: 'owner' })).role, 'owner');
  assert.equal((await users.retrieve(person)).role, 'owner');
  assert.ok((await users.delete(person)).deleted);
  await assert.rejects(users.retrieve(person), OpenAI.NotFoundError);
  const kinds = (await entries({ resource_ids: [person] })).map((entry) => entry.type);
  assert.ok(kinds[0] === 'user.deleted' && kinds.includes('user.updated'));
});

test('keys of a project', async () => {
  const { apiKeys, serviceAccounts } = organization.projects;
  const project_id = world.other;
  const bare = { name: 'keys', create_service_account_only: true };
  const account = await serviceAccounts.create(project_id, bare);
  const made = [];
  for (const n of [0, 1, 2])
    made.push(await serviceAccounts.apiKeys.create(account.id, { project_id, name: `key ${n}` }));
  const calls = client(made[0].value);
  await assert.rejects(ask(calls), OpenAI.PermissionDeniedError);
  await serviceAccounts.update(account.id, { project_id, role: 'member' });
  assert.equal(await ask(calls), text);
  const listed = (await all(apiKeys.list(project_id, { limit: 2 }))).map((key) => key.id);
  assert.ok(made.every((key) => listed.includes(key.id)));
  await apiKeys.update(made[0].id, { project_id, scopes: ['api.model.read'] });
  await assert.rejects(ask(calls), OpenAI.PermissionDeniedError);
  const shown = await apiKeys.retrieve(made[0].id, { project_id });
  assert.equal(shown.owner.service_account.id, account.id);
  assert.ok((await apiKeys.delete(made[0].id, { project_id })).deleted);
  await assert.rejects(ask(calls), OpenAI.AuthenticationError);
  // The account and its other keys go on until it is deleted.
  const others = client(made[1].value);
  assert.equal(await ask(others), text);
  await serviceAccounts.delete(account.id, { project_id });
  await assert.rejects(ask(others), OpenAI.AuthenticationError);
});

test('a key of a person', async () => {
  const spare = await install('1');
  try {
    const { api_key, admin_key, project_id, base_url } = spare.made;
    const options = { apiKey: api_key, adminAPIKey: admin_key, baseURL: base_url, maxRetries: 0 };
    const theirs = new OpenAI(options);
    const { apiKeys } = noting(theirs.admin.organization).projects;
    const [key] = await all(apiKeys.list(project_id));
    assert.ok((await apiKeys.delete(key.id, { project_id })).deleted);
    await assert.rejects(ask(theirs), OpenAI.AuthenticationError);
  } finally {
    await spare.end();
  }
});

test('model permissions', async () => {
  const { modelPermissions } = organization.projects;
  const calls = await caller();
  const deny = { mode: 'deny_list', model_ids: [model] };
  await modelPermissions.update(world.project, deny);
  assert.equal((await modelPermissions.retrieve(world.project)).mode, 'deny_list');
  await assert.rejects(ask(calls), OpenAI.PermissionDeniedError);
  assert.ok((await modelPermissions.delete(world.project)).deleted);
  assert.equal(await ask(calls), text);
});

test('rate limits', async () => {
  const { rateLimits } = organization.projects;
  const calls = await caller(world.other);
  const rows = await all(rateLimits.listRateLimits(world.other, { limit: 1 }));
  assert.ok(rows.some((row) => row.id === `rl-${model}`));
  const one = { project_id: world.other, max_requests_per_1_minute: 1 };
  await rateLimits.updateRateLimit(`rl-${model}`, one);
  const twice = async () => [await ask(calls), await ask(calls)];
  await assert.rejects(twice(), OpenAI.RateLimitError);
});

for (const place of ['project', 'organization']) {
  test(`the spend limit of the ${place}`, async () => {
    const calls = await caller();
    const { spendLimit } = place === 'project' ? organization.projects : organization;
    const where = place === 'project' ? [world.project] : [];
    await spendLimit.update(...where, { threshold_amount: 1, ...monthly });
    // The longest answer costs $0.0098: a cent pays for one choice of it, not for two.
    const dearly = () => calls.chat.completions.create({ model, messages, max_tokens: 16384, n: 2 });
    await assert.rejects(dearly(), OpenAI.RateLimitError);
    assert.equal((await spendLimit.retrieve(...where)).enforcement.status, 'enforcing');
    assert.ok((await spendLimit.delete(...where)).deleted);
    assert.ok((await dearly()).id);
  });
}

test('settings that are what they are', async () => {
  const { dataRetention, projects } = organization;
  const zero = { retention_type: 'zero_data_retention' };
  const { project } = world;
  assert.equal((await dataRetention.update(zero)).type, zero.retention_type);
  assert.equal((await dataRetention.retrieve()).type, zero.retention_type);
  assert.equal((await projects.dataRetention.update(project, zero)).type, zero.retention_type);
  assert.equal((await projects.dataRetention.retrieve(project)).type, zero.retention_type);
  const { serviceTierSettings: tiers, hostedToolPermissions: tools } = projects;
  assert.equal((await tiers.update(project, { enabled_tiers: 'all' })).enabled_tiers, 'all');
  assert.equal((await tiers.retrieve(project)).default, 'standard');
  assert.ok((await tools.update(project, { mcp: { enabled: true } })).mcp.enabled);
  assert.ok((await tools.retrieve(project)).web_search.enabled);
});

test('usage and costs', async () => {
  await ask(await caller());
  const { usage } = organization;
  const start_time = Math.floor(Date.now() / 1000) - 3 * 86_400;
  for (const kind of methods(usage)) {
    const buckets = [];
    let page = {};
    while (page) {
      const asked = { start_time, project_ids: [world.project], limit: 1, ...page };
      const answer = await usage[kind](asked);
      buckets.push(...answer.data);
      page = answer.has_more ? { page: answer.next_page } : undefined;
    }
    assert.equal(buckets.length, 4, 'three days and today, one a page');
    const isMetered = ['completions', 'costs'].includes(kind);
    assert.equal(buckets.at(-1).results.length > 0, isMetered, kind);
  }
});

for (const way of refused) {
  test(`${way} is refused by name`, async () => {
    const resource = named(organization, way);
    for (const method of methods(resource)) {
      if (method.includes('.')) continue;
      // Those that are below a project or a provider want to be told which.
      const where = { project_id: 'x', workload_identity_provider_id: 'x' };
      const attempts = [() => resource[method]('x', where), () => resource[method](where)];
      const outcomes = await Promise.allSettled(attempts.map(async (attempt) => attempt()));
      assert.ok(
        outcomes.some(({ reason }) => reason?.code === 'not_supported'),
        `${way}.${method}`,
      );
    }
  });
}

test('nothing of the SDK was left out', () => {
  const missing = [...methods(organization)].filter((way) => !answered.has(way));
  assert.deepEqual(missing, [], 'run the whole file; else the SDK has more than is tried above');
});
