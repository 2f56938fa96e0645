import { queryClient } from '../../api/queries';

/** Reads again what is shown of payments. */
export const refreshPayments = () =>
  queryClient.invalidateQueries({ queryKey: ['operator', 'payments'] });
