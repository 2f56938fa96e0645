import type { Schemas } from '../../api/types';

interface Who {
  email?: string | null;
  id?: string;
}

/** Who did it, as people would say. */
export function actorOf(entry: Schemas['AuditLog']): string {
  const actor = entry.actor as
    | { session?: { user?: Who }; api_key?: { user?: Who | null; service_account?: Who | null } }
    | null
    | undefined;
  const person = actor?.session?.user ?? actor?.api_key?.user;
  if (person) return `${person.email ?? person.id ?? 'Somebody'}${actor?.api_key ? ', by key' : ''}`;
  const account = actor?.api_key?.service_account;
  if (account) return `Service account ${account.id ?? ''}`;
  return 'The operator';
}
