// Takes the pictures of the README: an installation with a month of plausible usage, in both schemes.
// Run by scripts/screenshots.sh, against a server of its own. Everything is made through the API, but
// what takes a month: reports and where budgets stand are played.
/* global document, Image */
import { mkdirSync, writeFileSync } from 'node:fs';
import { chromium } from '@playwright/test';

const BASE = process.env.FAREBOX_BASE_URL;
const OUT = new URL('../../docs/screenshots/', import.meta.url).pathname;
const SIZE = { width: 1280, height: 840 };
const SCALE = 1.5;
const QUALITY = 0.86;
const DAY = 86_400;
const HOUR = 3_600;

const PROJECTS = ['Website', 'Support desk', 'Research'];
const KEYS = [
  ['Website', 'checkout service', 0.42],
  ['Website', 'product search', 0.21],
  ['Support desk', 'reply drafts', 0.2],
  ['Support desk', 'nightly digest', 0.07],
  ['Research', 'evaluation runs', 0.1],
];
const MODELS = [
  ['qwen3-32b', 0.44],
  ['llama-3.3-70b', 0.33],
  ['mistral-small-24b', 0.16],
  ['bge-m3', 0.07],
];

/** The same "chance" at every run: pictures change only when the console does. */
function chance(seed) {
  const x = Math.sin(seed * 12.9898) * 43_758.5453;
  return x - Math.floor(x);
}

/** What a day or an hour costs in all: more on working days, growing through the month. */
function spent(start, width) {
  const date = new Date(start * 1_000);
  const isWeekend = [0, 6].includes(date.getUTCDay());
  const growth = 1 + (start % (30 * DAY)) / (75 * DAY);
  const day = (isWeekend ? 4.1 : 9.4) * growth * (0.85 + 0.3 * chance(Math.floor(start / DAY)));
  if (width === DAY) return day;
  const hour = date.getUTCHours();
  return (day / 24) * (hour > 6 && hour < 20 ? 1.5 : 0.45) * (0.8 + 0.4 * chance(start / HOUR));
}

/** The groups of a report, each with its share of the whole. */
function sharesOf(groupBy, world) {
  if (groupBy === 'project_id') {
    return PROJECTS.map((name) => [
      { project_id: world.projects[name] },
      KEYS.filter(([project]) => project === name).reduce((sum, [, , share]) => sum + share, 0),
    ]);
  }
  if (groupBy === 'api_key_id') {
    return KEYS.map(([, name, share]) => [{ api_key_id: world.keys[name] }, share]);
  }
  return MODELS.map(([name, share]) => [{ model: name, line_item: `${name}, input` }, share]);
}

function report(url, world, resultOf) {
  const query = url.searchParams;
  const width = query.get('bucket_width') === '1h' ? HOUR : DAY;
  const first = Number(query.get('start_time'));
  const end = Math.min(Number(query.get('end_time')), Math.floor(Date.now() / 1_000));
  const shares = sharesOf(query.get('group_by'), world);
  const data = [];
  for (let start = first; start < end; start += width) {
    const over = Math.min(1, (end - start) / width);
    const results = shares.map(([group, share], index) => {
      const part = share * (0.8 + 0.4 * chance(start / HOUR + index * 7));
      return resultOf(spent(start, width) * part * over, group);
    });
    data.push({ object: 'bucket', start_time: start, end_time: start + width, results });
  }
  return { object: 'page', data, has_more: false, next_page: null };
}

const cost = (value, group) => ({
  object: 'organization.costs.result',
  amount: { value: Math.round(value * 1e6) / 1e6, currency: 'usd' },
  ...group,
});
const usage = (value, group) => ({
  object: 'organization.usage.completions.result',
  input_tokens: Math.round(value * 610_000),
  output_tokens: Math.round(value * 140_000),
  num_model_requests: Math.round(value * 480),
  ...group,
});

async function must(answer) {
  if (!answer.ok()) throw new Error(`${answer.url()}: ${answer.status()} ${await answer.text()}`);
  return answer.json();
}

/** Projects, keys, budgets, a purchase: what there is to look at. */
async function furnish(page) {
  const post = async (path, data) => must(await page.request.post(path, { data }));
  await post('/api/sessions', { email: 'owner@example.com', password: 'correct horse battery staple' });
  await post('/api/me', { name: 'Ada Lovelace' });
  const world = { projects: {}, keys: {} };
  for (const name of PROJECTS) {
    world.projects[name] = (await post('/v1/organization/projects', { name })).id;
  }
  for (const [project, name] of KEYS) {
    const key = await post(`/api/projects/${world.projects[project]}/keys`, { name });
    world.keys[name] = key.id;
    const said = { model: 'qwen3-32b', messages: [{ role: 'user', content: 'Hello' }] };
    await must(
      await page.request.post('/v1/chat/completions', {
        headers: { authorization: `Bearer ${key.value}` },
        data: said,
      }),
    );
  }
  const budget = (scope, limit, window, force) =>
    post('/api/budgets', { scope, limit_usd: limit, window, force, thresholds: [80, 100] });
  const project = (name) => ({ type: 'project', id: world.projects[name] });
  await budget({ type: 'organization' }, '15.00', 'day', 'soft');
  await budget(project('Website'), '250.00', 'month', 'hard');
  await budget(project('Support desk'), '90.00', 'month', 'hard');
  await budget({ type: 'key', id: world.keys['evaluation runs'] }, '10.00', 'week', 'hard');
  await buy(page);
  return world;
}

async function buy(page) {
  const order = await must(
    await page.request.post('/api/billing/checkouts', {
      data: { amount_usd: '250.00', save_method: true },
    }),
  );
  await page.goto(order.url);
  await page.getByLabel('Card number').fill('4242424242424242');
  await page.getByLabel('Expiry').fill('12/40');
  await page.getByLabel('Security code').fill('123');
  await page.getByRole('button', { name: /^Pay/ }).click();
  await page.getByText('of credit is yours').waitFor();
}

const STANDS = [0.61, 0.83, 0.47, 0.22];

async function play(page, world) {
  const answer = (route, body) => route.fulfill({ json: body });
  await page.route('**/api/costs?*', (route) =>
    answer(route, report(new URL(route.request().url()), world, cost)),
  );
  await page.route('**/v1/organization/usage/completions?*', (route) =>
    answer(route, report(new URL(route.request().url()), world, usage)),
  );
  await page.route('**/v1/organization/usage/embeddings?*', (route) =>
    answer(route, { object: 'page', data: [], has_more: false, next_page: null }),
  );
  await page.route('**/api/budgets?*', async (route) => {
    const body = await (await route.fetch()).json();
    body.data.forEach((budget, index) => {
      const stands = Number(budget.limit_usd) * (STANDS[index] ?? 0.3);
      budget.standing.spent_usd = stands.toFixed(2);
      budget.standing.remaining_usd = (Number(budget.limit_usd) - stands).toFixed(2);
    });
    await answer(route, body);
  });
}

/** Every picture: its name, its schemes, its address, and what is done before it is taken. */
const picturesOf = (world) => [
  [
    'usage',
    ['light', 'dark'],
    '/usage?range=31',
    async (page) => {
      await page.getByRole('group', { name: 'Spend by day' }).getByRole('button').nth(22).hover();
    },
  ],
  ['keys', ['light'], `/keys?project=${world.projects.Website}`],
  [
    'playground',
    ['dark'],
    `/playground?project=${world.projects.Research}`,
    async (page) => {
      await page.getByRole('combobox', { name: 'Model' }).click();
      await page.getByRole('option', { name: 'qwen3-32b' }).click();
      await page.getByLabel('Your message').fill('What is a farebox, in three sentences?');
      await page.getByRole('button', { name: 'Send' }).click();
      await page.getByText(/cost \$/).waitFor();
    },
  ],
  ['billing', ['light'], '/billing'],
  ['limits', ['light'], '/limits'],
];

/** A picture as WebP: a browser writes them, so that no tool for it has to be installed. */
async function toWebp(page, png) {
  const url = await page.evaluate(
    async ([data, quality]) => {
      const image = new Image();
      image.src = `data:image/png;base64,${data}`;
      await image.decode();
      const canvas = document.createElement('canvas');
      [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
      canvas.getContext('2d').drawImage(image, 0, 0);
      return canvas.toDataURL('image/webp', quality);
    },
    [png.toString('base64'), QUALITY],
  );
  return Buffer.from(url.slice(url.indexOf(',') + 1), 'base64');
}

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM_PATH ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--hide-scrollbars'],
});
mkdirSync(OUT, { recursive: true });
const plain = await (await browser.newContext()).newPage();
let world;
let cookies;
for (const colorScheme of ['light', 'dark']) {
  const context = await browser.newContext({
    baseURL: BASE,
    colorScheme,
    viewport: SIZE,
    deviceScaleFactor: SCALE,
    locale: 'en-US',
  });
  if (cookies) await context.addCookies(cookies);
  const page = await context.newPage();
  world ??= await furnish(page);
  cookies ??= await context.cookies();
  await play(page, world);
  for (const [name, schemes, path, prepare] of picturesOf(world)) {
    if (!schemes.includes(colorScheme)) continue;
    await page.goto(path);
    await page.getByRole('heading', { level: 1 }).waitFor();
    await page.waitForLoadState('networkidle');
    await prepare?.(page);
    const picture = await toWebp(plain, await page.screenshot({ animations: 'disabled' }));
    writeFileSync(`${OUT}${name}-${colorScheme}.webp`, picture);
    console.log(`${name}-${colorScheme}.webp ${Math.round(picture.length / 1_000)} kB`);
  }
  await context.close();
}
await browser.close();
