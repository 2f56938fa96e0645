// A throwaway installation, and people who join its organization, for the tests beside this file.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('../installation.py', import.meta.url));
const password = 'correct horse battery staple';

/** Starts an installation with this much credit; answers what was made and how to end it. */
export async function install(...credit) {
  const child = spawn('python3', [program, ...credit], { stdio: ['pipe', 'pipe', 'inherit'] });
  const [line] = await once(createInterface(child.stdout), 'line');
  const end = async () => {
    child.stdin.end();
    await once(child, 'exit');
  };
  return { made: JSON.parse(line), end };
}

/** Invites somebody into an organization, and signs up as them; answers the user's id. */
export async function join(organization, baseURL, email) {
  const origin = new URL(baseURL).origin;
  const call = async (path, body, cookie = '') => {
    const headers = { 'content-type': 'application/json', cookie };
    const method = body ? 'POST' : 'GET';
    const answer = await fetch(origin + path, { method, headers, body: JSON.stringify(body) });
    assert.equal(answer.status, 200, `${method} ${path}`);
    return answer;
  };
  const mailed = async (pattern) => {
    for (let tries = 0; tries < 300; tries += 1) {
      const { data } = await (await call('/api/outbox')).json();
      const latest = data.find((message) => message.to === email);
      const found = latest?.text.match(pattern);
      if (found) return found[1];
      await new Promise((done) => setTimeout(done, 100));
    }
    throw new Error(`no mail to ${email} matches ${pattern}`);
  };
  await organization.invites.create({ email, role: 'reader' });
  const invite = await mailed(/#(\S+)/);
  const begun = await (await call('/api/signup', { email, password, invite })).json();
  const code = { id: begun.id, code: await mailed(/\b(\d{6})\b/) };
  const cookie = (await call('/api/signup/email_code', code)).headers.get('set-cookie');
  return (await (await call('/api/me', undefined, cookie.split(';')[0])).json()).id;
}
