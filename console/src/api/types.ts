import type { components } from './schema';

/** The API's objects by name. */
export type Schemas = components['schemas'];
