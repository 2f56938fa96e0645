import type { Schemas } from '../../api/types';

type Mode = Schemas['KeyPermissionMode'];

/** What a key is restricted to, as the forms hold it. */
export interface RestrictionValues extends Record<string, unknown> {
  permissions: Mode;
  /** The access to each resource: `none`, or what it can be. */
  resources: Record<string, string>;
  /** Names of models; empty means all. */
  models: string[];
  /** Addresses and networks; empty means all. */
  ip_ranges: string[];
}

/** A resource, and the access to it that a key can have. */
export const RESOURCES: { id: string; name: string; access: string }[] = [
  { id: 'models', name: 'List models', access: 'read' },
  { id: 'model_capabilities', name: 'Every endpoint that runs models', access: 'request' },
  { id: 'chat_completions', name: 'Chat completions', access: 'request' },
  { id: 'responses', name: 'Responses', access: 'write' },
  { id: 'completions', name: 'Completions', access: 'request' },
  { id: 'embeddings', name: 'Embeddings', access: 'request' },
];

export const UNRESTRICTED: RestrictionValues = {
  permissions: 'all',
  resources: {},
  models: [],
  ip_ranges: [],
};

const DAY = 86_400;

/** When a new key stops working: seconds from now, as the form holds them. */
export const EXPIRIES = [
  { value: 'never', label: 'Never' },
  { value: String(7 * DAY), label: 'In 7 days' },
  { value: String(30 * DAY), label: 'In 30 days' },
  { value: String(90 * DAY), label: 'In 90 days' },
  { value: String(365 * DAY), label: 'In a year' },
];

/** The part of a request that restricts a key; null lifts a restriction. */
export function asked({ permissions, resources, models, ip_ranges: ranges }: RestrictionValues) {
  const given = Object.entries(resources).filter(([, access]) => access !== 'none');
  return {
    permissions,
    ...(permissions === 'restricted' && { resources: Object.fromEntries(given) }),
    models: models.length > 0 ? models : null,
    ip_ranges: ranges.length > 0 ? ranges : null,
  };
}

/** What a key is restricted to now. */
export function restrictionOf(key: Schemas['UserKey']): RestrictionValues {
  return {
    permissions: key.permissions,
    resources: key.resources ?? {},
    models: key.models ?? [],
    ip_ranges: key.ip_ranges ?? [],
  };
}
