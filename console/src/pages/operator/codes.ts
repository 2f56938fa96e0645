import { queryClient } from '../../api/queries';
import type { Schemas } from '../../api/types';

export type Batch = Schemas['CodeBatch'];

/** What everything that is read about codes is kept under. */
export const CODES = ['operator', 'codes'];

export const refreshCodes = () => queryClient.invalidateQueries({ queryKey: CODES });
